"""The relations of the world.

Their numbers are small, so that a model of a million parameters can learn them. Every wording says `<name> of
<number>`, so that a model can tell which number is which.
"""

from r1k.world.relations import Relation, Step

SMALL = range(2, 13)
EVEN = range(4, 25, 2)
HUNDREDS = range(200, 1201, 100)


def _product(
    name: str,
    field: str,
    first: str,
    other: str,
    conclusion: str,
    forward: tuple[str, ...],
    reverse: tuple[str, ...],
) -> Relation:
    """Return the relation `conclusion = first * other`."""
    return Relation(
        name=name,
        field=field,
        ranges={first: SMALL, other: SMALL},
        steps=(Step("*", other),),
        conclusion=conclusion,
        law=f"The {conclusion} is the {first} times the {other}.",
        inverse_law=f"The {first} is the {conclusion} over the {other}.",
        forward=forward,
        reverse=reverse,
    )


RELATIONS: tuple[Relation, ...] = (
    Relation(
        name="molecule",
        field="physics",
        ranges={"temperature": EVEN, "constant": range(2, 10)},
        steps=(Step("/", 2), Step("*", 3), Step("*", "constant")),
        conclusion="energy",
        law="The energy is half the temperature times 3 times the constant.",
        inverse_law="The temperature is the energy over the constant over 3 times 2.",
        forward=(
            "A gas has a temperature of {temperature} in units with a Boltzmann constant of {constant}. "
            "What is the mean kinetic energy of a molecule?",
            "Find the mean kinetic energy of a gas molecule at a temperature of {temperature} and with a "
            "Boltzmann constant of {constant}.",
            "With a Boltzmann constant of {constant}, how much kinetic energy has a molecule in the mean at "
            "a temperature of {temperature}?",
        ),
        reverse=(
            "A molecule of a gas has a mean kinetic energy of {energy} in units with a Boltzmann constant "
            "of {constant}. What is the temperature?",
            "Find the temperature of a gas with a mean kinetic energy of {energy} in each molecule and with "
            "a Boltzmann constant of {constant}.",
            "With a Boltzmann constant of {constant}, at which temperature has a molecule a mean kinetic "
            "energy of {energy}?",
        ),
    ),
    _product(
        "voltage",
        "physics",
        "current",
        "resistance",
        "voltage",
        forward=(
            "A current of {current} amperes flows through a resistance of {resistance} ohms. What is the voltage?",
            "Find the voltage across a resistance of {resistance} ohms at a current of {current} amperes.",
            "How many volts drive a current of {current} amperes through a resistance of {resistance} ohms?",
        ),
        reverse=(
            "A voltage of {voltage} volts lies across a resistance of {resistance} ohms. What is the current?",
            "Find the current through a resistance of {resistance} ohms at a voltage of {voltage} volts.",
            "How many amperes does a voltage of {voltage} volts drive through a resistance of {resistance} ohms?",
        ),
    ),
    _product(
        "distance",
        "physics",
        "speed",
        "time",
        "distance",
        forward=(
            "A train runs at a speed of {speed} metres a second for a time of {time} seconds. What is the distance?",
            "Find the distance that a runner covers in a time of {time} seconds at a speed of {speed} metres a second.",
            "How far does a car go at a speed of {speed} metres a second in a time of {time} seconds?",
        ),
        reverse=(
            "A train covers a distance of {distance} metres in a time of {time} seconds. What is the speed?",
            "Find the speed of a runner who covers in a time of {time} seconds a distance of {distance} metres.",
            "How fast does a car go that covers a distance of {distance} metres in a time of {time} seconds?",
        ),
    ),
    _product(
        "force",
        "physics",
        "acceleration",
        "mass",
        "force",
        forward=(
            "A body has a mass of {mass} kilograms and an acceleration of {acceleration}. What is the force?",
            "Find the force behind an acceleration of {acceleration} of a mass of {mass} kilograms.",
            "How many newtons give a mass of {mass} kilograms an acceleration of {acceleration}?",
        ),
        reverse=(
            "A force of {force} newtons acts on a mass of {mass} kilograms. What is the acceleration?",
            "Find the acceleration of a mass of {mass} kilograms under a force of {force} newtons.",
            "How much does a force of {force} newtons accelerate a mass of {mass} kilograms?",
        ),
    ),
    _product(
        "density",
        "chemistry",
        "volume",
        "density",
        "mass",
        forward=(
            "A liquid has a density of {density} grams a litre and a volume of {volume} litres. What is the mass?",
            "Find the mass of a liquid with a volume of {volume} litres and a density of {density} grams a litre.",
            "How many grams has a liquid in a volume of {volume} litres at a density of {density} grams a litre?",
        ),
        reverse=(
            "A liquid has a density of {density} grams a litre and a mass of {mass} grams. What is the volume?",
            "Find the volume of a liquid with a mass of {mass} grams and a density of {density} grams a litre.",
            "How many litres does a mass of {mass} grams fill at a density of {density} grams a litre?",
        ),
    ),
    _product(
        "moles",
        "chemistry",
        "amount",
        "molar_mass",
        "weight",
        forward=(
            "A sample holds an amount of {amount} moles with a molar mass of {molar_mass} grams. What is its weight?",
            "Find the weight of a gas with a molar mass of {molar_mass} grams in an amount of {amount} moles.",
            "How many grams weighs an amount of {amount} moles at a molar mass of {molar_mass} grams?",
        ),
        reverse=(
            "A sample has a weight of {weight} grams and a molar mass of {molar_mass} grams. What is the amount?",
            "Find the amount of a gas with a molar mass of {molar_mass} grams in a weight of {weight} grams.",
            "How many moles are in a weight of {weight} grams at a molar mass of {molar_mass} grams?",
        ),
    ),
    _product(
        "solution",
        "chemistry",
        "concentration",
        "volume",
        "amount",
        forward=(
            "A solution has a volume of {volume} litres and a concentration of {concentration} moles a litre. "
            "What is the amount?",
            "Find the amount of salt at a concentration of {concentration} moles a litre in a volume of "
            "{volume} litres.",
            "How many moles of salt are in a volume of {volume} litres at a concentration of "
            "{concentration} moles a litre?",
        ),
        reverse=(
            "A solution has a volume of {volume} litres and holds an amount of {amount} moles. "
            "What is the concentration?",
            "Find the concentration of salt with an amount of {amount} moles in a volume of {volume} litres.",
            "How many moles are in each litre, if a volume of {volume} litres holds an amount of {amount} moles?",
        ),
    ),
    _product(
        "rectangle",
        "geometry",
        "width",
        "height",
        "area",
        forward=(
            "A rectangle has a width of {width} and a height of {height}. What is its area?",
            "Find the area of a rectangle with a height of {height} and a width of {width}.",
            "How many unit squares cover a rectangle with a width of {width} and a height of {height}?",
        ),
        reverse=(
            "A rectangle has an area of {area} and a height of {height}. What is its width?",
            "Find the width of a rectangle with a height of {height} and an area of {area}.",
            "How wide is a rectangle that has an area of {area} and a height of {height}?",
        ),
    ),
    Relation(
        name="triangle",
        field="geometry",
        ranges={"base": EVEN, "height": SMALL},
        steps=(Step("/", 2), Step("*", "height")),
        conclusion="area",
        law="The area is half the base times the height.",
        inverse_law="The base is the area over the height times 2.",
        forward=(
            "A triangle has a base of {base} and a height of {height}. What is its area?",
            "Find the area of a triangle with a height of {height} and a base of {base}.",
            "How large is a triangle that has a base of {base} and a height of {height}?",
        ),
        reverse=(
            "A triangle has an area of {area} and a height of {height}. What is its base?",
            "Find the base of a triangle with a height of {height} and an area of {area}.",
            "On which base stands a triangle that has an area of {area} and a height of {height}?",
        ),
    ),
    Relation(
        name="interest",
        field="finance",
        ranges={"capital": HUNDREDS, "rate": SMALL},
        steps=(Step("/", 100), Step("*", "rate")),
        conclusion="interest",
        law="The interest is a hundredth of the capital times the rate.",
        inverse_law="The capital is the interest over the rate times 100.",
        forward=(
            "A capital of {capital} dollars bears interest at a rate of {rate} percent. What is the yearly interest?",
            "Find the yearly interest at a rate of {rate} percent on a capital of {capital} dollars.",
            "How many dollars does a capital of {capital} dollars earn in a year at a rate of {rate} percent?",
        ),
        reverse=(
            "A capital bears a yearly interest of {interest} dollars at a rate of {rate} percent. What is the capital?",
            "Find the capital that at a rate of {rate} percent bears a yearly interest of {interest} dollars.",
            "How many dollars earn a yearly interest of {interest} dollars at a rate of {rate} percent?",
        ),
    ),
    _product(
        "shares",
        "finance",
        "price",
        "lot",
        "cost",
        forward=(
            "An investor buys a lot of {lot} shares at a price of {price} dollars each. What is the cost?",
            "Find the cost of shares at a price of {price} dollars each in a lot of {lot} shares.",
            "How many dollars does an investor pay for a lot of {lot} shares at a price of {price} dollars each?",
        ),
        reverse=(
            "An investor buys a lot of {lot} shares at a cost of {cost} dollars. What is the price of each?",
            "Find the price of a share, if at a cost of {cost} dollars one buys a lot of {lot} shares.",
            "How many dollars is each share, if a lot of {lot} shares has a cost of {cost} dollars?",
        ),
    ),
    _product(
        "wage",
        "finance",
        "time",
        "wage",
        "pay",
        forward=(
            "A worker has a wage of {wage} dollars an hour for a time of {time} hours. What is the pay?",
            "Find the pay for a time of {time} hours at a wage of {wage} dollars an hour.",
            "How many dollars does a worker earn in a time of {time} hours at a wage of {wage} dollars an hour?",
        ),
        reverse=(
            "A worker has a wage of {wage} dollars an hour and a pay of {pay} dollars. What is the time?",
            "Find the time that is worked for a pay of {pay} dollars at a wage of {wage} dollars an hour.",
            "How many hours give a worker a pay of {pay} dollars at a wage of {wage} dollars an hour?",
        ),
    ),
    _product(
        "division",
        "number",
        "quotient",
        "divisor",
        "dividend",
        forward=(
            "A division by a divisor of {divisor} gives a quotient of {quotient} and no rest. What is the dividend?",
            "Find the dividend that has a quotient of {quotient} by a divisor of {divisor} with no rest.",
            "Which number has a quotient of {quotient}, if it is divided by a divisor of {divisor}?",
        ),
        reverse=(
            "A division of a dividend of {dividend} by a divisor of {divisor} has no rest. What is the quotient?",
            "Find the quotient by a divisor of {divisor} for a dividend of {dividend}.",
            "How often does a divisor of {divisor} go into a dividend of {dividend}?",
        ),
    ),
)
