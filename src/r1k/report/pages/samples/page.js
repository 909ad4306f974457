
// Choose what to show of r1k.report.pages.samples.answers, by form fields, keys and the page's address.

const LIST_SIZE = 50;
const data = JSON.parse(document.getElementById("data").textContent);
const form = document.getElementById("filters");
const part = Object.fromEntries([...document.querySelectorAll("[id]")].map((node) => [node.id, node]));
const fields = ["run", "beside", "benchmark", "direction", "verdict", "text", "differ"];

const placed = new Map(data.answers.map((answer) => [place(answer.run, answer), answer]));
const parsed = new Map();
let listed = [];
let chosen = null;
let page = 0;

function place(run, answer) {
  return `${run} ${answer.question} ${answer.sample}`;
}

function is(word) {
  return (answer) => (word === "truncated" ? answer.truncated : answer.verdict === word);
}

function beside(answer) {
  return placed.get(place(data.runs.indexOf(form.elements.beside.value), answer));
}

// Parse the texts of a run when one of its answers is first shown.
function textOf(answer) {
  if (!parsed.has(answer)) {
    const all = JSON.parse(document.getElementById(`texts-${answer.run}`).textContent);
    data.answers.filter((other) => other.run === answer.run).forEach((other, at) => parsed.set(other, all[at]));
  }
  return parsed.get(answer);
}

function texts(answer) {
  const question = data.questions[answer.question];
  const own = textOf(answer);
  const parts = [own?.reasoning, own?.answer].flatMap((whole) => (whole ? [whole.head, whole.tail] : []));
  return [question.id, question.text, own?.extracted, ...parts];
}

function matching() {
  const wanted = Object.fromEntries(fields.map((name) => [name, form.elements[name].value]));
  const run = data.runs.indexOf(wanted.run);
  form.elements.differ.disabled = !wanted.beside;
  const differ = wanted.beside && form.elements.differ.checked;
  const sought = wanted.text.toLowerCase();
  return data.answers.filter((answer) => {
    const question = data.questions[answer.question];
    return answer.run === run
      && (!wanted.benchmark || question.benchmark === wanted.benchmark)
      && (!wanted.direction || question.direction === wanted.direction)
      && (!wanted.verdict || is(wanted.verdict)(answer))
      && (!differ || ![undefined, answer.verdict].includes(beside(answer)?.verdict))
      && (!sought || texts(answer).some((text) => text && text.toLowerCase().includes(sought)));
  });
}

// The address holds the filters that are set, then the answer that is shown.

function address() {
  const differ = form.elements.differ.checked ? "1" : "";
  const values = fields.map((name) => [name, name === "differ" ? differ : form.elements[name].value]);
  if (chosen) {
    const question = data.questions[chosen.question];
    if (!form.elements.benchmark.value) values.push(["of", question.benchmark]);
    values.push(["id", question.id], ["sample", chosen.sample || ""]);
  }
  return "#" + new URLSearchParams(values.filter(([, value]) => value !== ""));
}

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const unknown = [...given.keys()].filter((name) => ![...fields, "of", "id", "sample"].includes(name));
  form.reset();
  for (const name of fields.filter((name) => given.has(name))) {
    const field = form.elements[name];
    const value = given.get(name);
    if (name === "differ") field.checked = value === "1";
    else if (name === "text" || [...field.options].some((option) => option.value === value)) field.value = value;
    else unknown.push(`${name}=${value}`);
  }
  listed = matching();
  const benchmark = given.get("of") || given.get("benchmark");
  const found = listed.find((answer) => {
    const question = data.questions[answer.question];
    return question.id === given.get("id") && answer.sample === Number(given.get("sample"))
      && (!benchmark || question.benchmark === benchmark);
  });
  if (given.has("id") && !found) unknown.push(`id=${given.get("id")}`);
  choose(found || listed[0] || null);
  part.count.append(...unknown.map((what) => make("strong", {className: "wrong"}, ` Not here: ${what}.`)));
}

// Show the list and the chosen answer.

function choose(answer, remember) {
  chosen = answer;
  page = Math.max(0, Math.floor(listed.indexOf(chosen) / LIST_SIZE));
  if (remember) history[remember](null, "", address());
  showList();
  showDetail();
}

function step(by) {
  const next = listed[listed.indexOf(chosen) + by];
  if (next) choose(next, "pushState");
}

function showList() {
  const counts = ["right", "wrong", "unparsed", "truncated"].map((word) => [listed.filter(is(word)).length, word]);
  const shown = counts.filter(([number]) => number).map(([number, word]) => `${number.toLocaleString("en")} ${word}`);
  part.count.replaceChildren(`${counted(listed.length, "answer")}${shown.length ? ": " : ""}${shown.join(", ")}`);
  const focused = part.list.contains(document.activeElement);
  part.list.replaceChildren(...listed.slice(page * LIST_SIZE, (page + 1) * LIST_SIZE).map(row));
  const current = part.list.querySelector("[aria-current]");
  if (current) bring(current);
  if (current && focused) current.focus({preventScroll: true});
  const last = Math.max(0, Math.ceil(listed.length / LIST_SIZE) - 1);
  part.pages.replaceChildren(`${page + 1} of ${last + 1}`);
  part.earlier.disabled = page === 0;
  part.later.disabled = page === last;
}

// Scroll the list, not the page, because the reader may be far down in an answer.
function bring(button) {
  const {scrollTop, clientHeight} = part.list;
  const hidden = button.offsetTop < scrollTop || button.offsetTop + button.offsetHeight > scrollTop + clientHeight;
  if (hidden) part.list.scrollTop = button.offsetTop - clientHeight / 2;
}

function refilter() {
  listed = matching();
  const same = listed.find((answer) => answer.question === chosen?.question);
  choose(listed.includes(chosen) ? chosen : same || listed[0] || null, "replaceState");
}

part.notes.append(...notes().map((line) => make("li", {}, line)));
for (const run of data.runs) for (const name of ["run", "beside"]) form.elements[name].append(new Option(run, run));
for (const name of data.benchmarks) form.elements.benchmark.append(new Option(name, name));
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("input", refilter);
part.previous.onclick = () => step(-1);
part.next.onclick = () => step(1);
part.earlier.onclick = () => { page -= 1; showList(); };
part.later.onclick = () => { page += 1; showList(); };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("input, select")) return;
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
});
addEventListener("hashchange", read);
read();
