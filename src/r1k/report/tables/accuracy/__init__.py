"""Tables 1 and 2: accuracy by run and benchmark, in the paper's form."""
