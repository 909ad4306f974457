
"use strict";
// Build the nodes that show answers. Text of the data becomes text nodes only.

function make(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function counted(number, noun) {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}

function row(answer) {
  const question = data.questions[answer.question];
  const other = beside(answer);
  const button = make("button", {type: "button", onclick: () => choose(answer, "pushState")},
    make("span", {}, verdict(answer), ...(other ? [" – ", verdict(other)] : []), ` ${question.id}${which(answer)}`),
    make("span", {className: "start"}, (question.text || question.benchmark).slice(0, 100)));
  if (answer === chosen) button.setAttribute("aria-current", "true");
  return make("li", {}, button);
}

function which(answer) {
  return answer.sample ? `, answer ${answer.sample + 1}` : "";
}

function verdict(answer) {
  const node = make("b", {className: answer.verdict}, answer.verdict);
  return answer.truncated ? make("b", {}, node, ", truncated") : node;
}

function showDetail() {
  const at = listed.indexOf(chosen);
  part.previous.disabled = at <= 0;
  part.next.disabled = at < 0 || at === listed.length - 1;
  part.position.replaceChildren(chosen ? `${at + 1} of ${listed.length}, ${chosen.verdict}` : "");
  if (!chosen) return part.detail.replaceChildren(missing("No answer matches the filters."));
  const question = data.questions[chosen.question];
  const from = ` (${question.benchmark}${question.direction ? `, ${question.direction}` : ""}${which(chosen)})`;
  const runs = [chosen.run, data.runs.indexOf(form.elements.beside.value)].filter((run) => run >= 0);
  const asked = question.text === undefined
    ? [missing(`The text of ${question.benchmark} must not be published (the benchmark is not redistributable in the `
      + "config), and answers may repeat it. The page shows ids and verdicts only.")]
    : [make("h4", {}, "Question"), make("pre", {}, question.text), pairs([["gold answer", question.gold]])];
  const sides = make("div", {id: "sides"}, ...runs.map((run) => side(run, placed.get(place(run, chosen)))));
  part.detail.replaceChildren(make("h2", {}, make("bdi", {}, question.id), from), ...asked, sides);
}

function side(run, answer) {
  const node = make("section", {}, make("h3", {}, data.runs[run], ": ", answer ? verdict(answer) : "no such answer"));
  node.setAttribute("aria-label", data.runs[run]);
  if (!answer) return node;
  const tokens = answer.tokens.toLocaleString("en") + (answer.truncated ? ", the limit" : "");
  const facts = [["decided by", answer.rule], ["tokens", tokens]];
  const own = textOf(answer);
  if (!own) {
    node.append(pairs(facts));
    return node;
  }
  facts.unshift(["extracted answer", own.extracted]);
  const judge = own.judge;
  if (judge) {
    facts.push(["rules", grade(judge.rules)], ["judge", grade(judge.verdict)]);
    facts.push(["judge’s rationale", judge.rationale]);
  }
  node.append(pairs(facts), ...titled("Reasoning", own.reasoning), ...titled("Answer", own.answer));
  return node;
}

function grade(right) {
  return right === undefined ? "no verdict" : right ? "right" : "wrong";
}

function titled(title, whole) {
  if (!whole) return [make("h4", {}, title), missing("no answer separator: the whole completion is above")];
  const cut = whole.left_out ? [make("mark", {}, ` … ${counted(whole.left_out, "character")} not shown … `)] : [];
  return [make("h4", {}, title), make("pre", {}, whole.head, ...cut, whole.tail || "")];
}

function pairs(list) {
  return make("dl", {}, ...list.flatMap(([name, value]) => [
    make("dt", {}, name), make("dd", {}, value === undefined ? missing("none") : make("bdi", {}, value))]));
}

function missing(note) {
  return make("span", {className: "missing"}, note);
}

function notes() {
  const {runs, benchmarks, answers, left_out: left, cut, withheld} = data;
  const all = counted(answers.length, "answer");
  return [
    `${all} of ${counted(runs.length, "run")} on ${counted(benchmarks.length, "benchmark")}.`,
    left && `Left out, to limit the page’s size: ${counted(left, "further sample")} of the questions (samples.jsonl).`,
    cut && `Shown without their middle: ${counted(cut, "answer")} (whole in samples.jsonl).`,
    withheld.length && `Shown without text, which must not be published: ${withheld.join(", ")}.`,
  ].filter(Boolean);
}
