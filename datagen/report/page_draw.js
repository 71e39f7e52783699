// What is drawn of the rows that were found, and what the page does with its reader.

function plain(parent, text) {
  let at = 0;
  for (const match of text.matchAll(CONTROLS)) {
    if (match.index > at) parent.append(text.slice(at, match.index));
    const code = match[0].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    add(parent, "span", `U+${code}`, "control");
    at = match.index + match[0].length;
  }
  if (at < text.length) parent.append(text.slice(at));
}

function visible(text) {
  return text.replace(CONTROLS, "\ufffd");
}

function paint(parent, text, equations) {
  let at = 0;
  for (const [start, end, state, value] of equations || []) {
    plain(parent, text.slice(at, start));
    const span = add(parent, "span", undefined, `eq ${["bad", "good", "open"][state]}${end - start <= WHOLE ? " whole" : ""}`);
    span.title = ["does not hold", "holds", "cannot be evaluated"][state];
    plain(span, text.slice(start, end));
    if (state === 0) {
      const mark = add(parent, "b", value === undefined ? "✗" : `✗ ${value}`, "value");
      mark.title = value === undefined ? "does not hold" : `the left side is ${value}`;
      mark.setAttribute("aria-label", value === undefined ? "does not hold" : `does not hold: the left side is ${value}`);
    }
    at = end;
  }
  plain(parent, text.slice(at));
}

function textBlock(parent, text, equations, cut) {
  const block = add(parent, "div", undefined, "text");
  block.dir = "auto";
  if (!text.trim()) {
    block.textContent = text ? "Nothing but white space" : "Empty";
    block.classList.add("empty");
    return block;
  }
  paint(block, text, equations);
  if (cut) add(parent, "p", `${many(cut, "more character is", "more characters are")} not on this page.`, "foot");
  if (text.length > LONG_TEXT || text.split("\n").length > LONG_LINES) {
    block.classList.add("clamped");
    const more = add(parent, "button", "Show all of it", "link");
    more.type = "button";
    more.addEventListener("click", () => { block.classList.remove("clamped"); more.remove(); });
    block.addEventListener("focusin", () => more.click());
  }
  return block;
}

function pill(parent, text, className) {
  if (text === undefined) return;
  const item = add(parent, "li", undefined, className);
  add(item, "bdi", visible(text));
}

function tone(...names) {
  if (names.some((name) => BAD.has(name))) return "bad";
  return names.some((name) => GOOD.has(name)) ? "good" : "";
}

function drawCard(parent, card) {
  const at = (name) => (card[name] === undefined ? undefined : head[name][card[name]]);
  const verdict = at("verdict"), outcome = at("outcome");
  const part = add(parent, "section", undefined, `card ${verdict === undefined ? tone(outcome) : tone(verdict)}`);
  part.setAttribute("aria-label", visible([verdict, outcome, at("kind"), at("model")].filter(Boolean).join(", ") || "text"));
  const pills = add(part, "ul", undefined, "pills");
  if (card.s !== undefined) pill(pills, `score ${short(card.s)}${card.k === undefined ? "" : `, rank ${card.k}`}`, "score");
  if (verdict !== undefined) pill(pills, `${{ correct: "✓ ", wrong: "✗ " }[verdict] || "? "}${verdict}`, tone(verdict));
  if (outcome !== verdict) pill(pills, outcome, tone(outcome));
  for (const name of ["kind", "method", "model", "origin"]) if (head[name].length > 1) pill(pills, at(name));
  for (const [text, label] of [[card.u, "Its own question"], [card.w, "Prompt"]]) {
    if (text === undefined) continue;
    const query = add(part, "div", undefined, "query");
    add(query, "small", label);
    textBlock(query, text);
  }
  if (card.t || card.u === undefined) textBlock(part, card.t, card.e, card.x);
  for (const [name, value] of card.n || []) {
    const note = add(part, "p", undefined, "note");
    add(note, "b", `${name}: `);
    plain(add(note, "bdi"), value);
  }
  for (const [judge, mean, votes, evidence] of card.j || []) {
    const details = add(part, "details");
    const each = votes.length > 1 ? ` (${votes.map(short).join(", ")})` : "";
    const summary = add(details, "summary");
    add(summary, "bdi", visible(head.judge[judge]));
    summary.append(`: ${short(mean)} from ${many(votes.length, "vote", "votes")}${each}`);
    const list = add(details, "ol");
    votes.forEach((vote, i) => {
      const item = add(list, "li");
      add(item, "b", short(vote));
      const said = evidence[i] || "";
      const text = add(item, "div", undefined, said ? "text" : "empty");
      text.dir = "auto";
      plain(text, said || "no evidence given");
    });
  }
  const foot = [];
  if (card.a !== undefined) foot.push(`answer ${visible(card.a)}`);
  if (card.d !== undefined) foot.push(`deviation of votes ${short(card.d)}`);
  if (card.m !== undefined) foot.push(`sample ${card.m}`);
  foot.push(`row ${counted.format(card.i)}`);
  const line = add(part, "p", undefined, "foot");
  add(line, "bdi", foot.join(" · "));
}

function drawCards(parent, cards, label) {
  const grid = add(parent, "div", undefined, cards.length === 1 ? "cards one" : "cards");
  if (label) grid.setAttribute("aria-label", label);
  for (const card of cards.slice(0, FIRST_CARDS)) drawCard(grid, card);
  const rest = cards.slice(FIRST_CARDS);
  if (!rest.length) return;
  const more = add(parent, "button", `Show ${counted.format(rest.length)} more`, "link");
  more.type = "button";
  more.addEventListener("click", () => {
    more.remove();
    for (const card of rest) drawCard(grid, card);
    highlight();
  });
}

function drawBody(parent, { entry, cards }) {
  const problem = add(parent, "div", undefined, "problem");
  const asked = add(problem, "div");
  if (entry.q === undefined) add(asked, "p", "The question is not in the run’s rows, and its problem set was not found beside it.", "empty");
  else textBlock(asked, entry.q);
  if (entry.o) {
    const list = add(asked, "ol", undefined, "choices");
    for (const choice of entry.o) plain(add(list, "li", undefined, "text"), choice);
  }
  if (entry.a !== undefined) {
    add(asked, "h4", "Reference answer");
    plain(add(asked, "div", undefined, "text"), entry.a);
  }
  if (entry.g !== undefined) {
    const details = add(problem, "details");
    add(details, "summary", "Reference solution");
    textBlock(details, entry.g);
  }
  drawCards(parent, cards, "Texts that match");
  const others = entry.c.filter((card) => !cards.includes(card));
  if (others.length) {
    const more = add(parent, "button", `Show ${many(others.length, "other text", "other texts")} of this problem`, "link");
    more.type = "button";
    more.addEventListener("click", () => { more.remove(); drawCards(parent, others, "Other texts of this problem"); highlight(); });
  }
}

function factsOf({ entry, cards }) {
  const facts = [];
  const all = entry.c;
  facts.push(cards.length === all.length ? many(all.length, "text", "texts") : `${counted.format(cards.length)} of ${many(all.length, "text", "texts")}`);
  const right = head.verdict.indexOf("correct");
  if (right >= 0 && all.some((card) => card.verdict !== undefined)) facts.push(`${counted.format(all.filter((card) => card.verdict === right).length)} correct`);
  const scores = cards.filter((card) => card.s !== undefined).map((card) => card.s);
  if (scores.length) {
    const least = short(Math.min(...scores)), most = short(Math.max(...scores));
    facts.push(least === most ? `score ${least}` : `scores ${least} to ${most}`);
  }
  const wrong = cards.filter((card) => card.e && card.e.some((equation) => equation[2] === 0)).length;
  if (wrong) facts.push(`${counted.format(wrong)} with a false equation`);
  if (head.runs.length > 1) facts.push(visible(head.runs[entry.r]));
  return facts;
}

function snippetOf({ entry, cards }) {
  if (!terms.length) return "";
  for (const text of [entry.q, ...cards.flatMap((card) => [card.t, card.u, ...(card.j || []).flatMap((said) => said[3])]), entry.g]) {
    if (!text) continue;
    const at = text.toLowerCase().indexOf(terms[0]);
    if (at < 0) continue;
    if (text === entry.q && at < 150) return "";  // it shows in the title
    const from = Math.max(0, at - 60), to = at + terms[0].length + 100;
    const cut = text.slice(from, to).replace(/\s+/g, " ");
    return (from ? "…" : "") + visible(cut) + (to < text.length ? "…" : "");
  }
  return "";
}

function drawEntry(parent, hit, open) {
  const article = add(parent, "article", undefined, "entry");
  const title = add(article, "h3");
  const button = add(title, "button", undefined, "toggle");
  button.type = "button";
  const asked = hit.entry.q ?? hit.cards[0].u ?? hit.cards[0].t;
  const name = add(button, "span", visible(asked.slice(0, 400).replace(/\s+/g, " ")) || "An empty text", "title");
  name.dir = "auto";
  add(add(button, "span", undefined, "id"), "bdi", visible(hit.entry.p));  // in the place of the question, when that is shown in full
  const found = snippetOf(hit);
  if (found) {
    const snippet = add(article, "p", undefined, "snippet");
    add(snippet, "bdi", found);
  }
  const facts = add(article, "p", undefined, "facts");
  for (const fact of factsOf(hit)) add(facts, "span", fact);
  add(add(facts, "span", undefined, "id"), "bdi", visible(hit.entry.p));
  let body = null;
  const show = (on) => {
    button.setAttribute("aria-expanded", String(on));
    if (on && !body) { body = add(article, "div", undefined, "body"); drawBody(body, hit); highlight(); }
    if (body) body.hidden = !on;
    article.classList.toggle("open", on);
  };
  button.addEventListener("click", () => show(button.getAttribute("aria-expanded") !== "true"));
  show(open);
}

function draw() {
  const list = $("list");
  list.replaceChildren();
  const first = page * PER_PAGE;
  hits.slice(first, first + PER_PAGE).forEach((hit, i) => drawEntry(list, hit, i === 0));
  const pages = Math.ceil(hits.length / PER_PAGE);
  $("pages").hidden = pages < 2;
  $("place").textContent = `${counted.format(page + 1)} of ${counted.format(pages)}`;
  $("previous").disabled = page === 0;
  $("next").disabled = page >= pages - 1;
  highlight();
}

function highlight() {  // where the browser can: marks what was searched for, without touching the text
  if (!globalThis.Highlight || !CSS.highlights) return;
  CSS.highlights.delete("found");
  if (!terms.length) return;
  const ranges = [];
  const walker = document.createTreeWalker($("list"), NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node && ranges.length < 5000; node = walker.nextNode()) {
    const text = node.data.toLowerCase();
    if (text.length !== node.data.length) continue;  // a letter whose small form is longer: places would not fit
    for (const term of terms) {
      for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + term.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + term.length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights.set("found", new Highlight(...ranges));
}

function turn(step) {
  page += step;
  draw();
  $("found").scrollIntoView({ block: "start" });
  const first = document.querySelector("#list .toggle");
  if (first) first.focus({ preventScroll: true });
}

async function start() {
  const began = performance.now();
  $("state").textContent = "Unpacking the rows…";
  $("state").hidden = false;
  if (!globalThis.DecompressionStream) {
    $("state").textContent = "This browser cannot unpack the rows: it needs DecompressionStream (Chrome 80, Firefox 113, Safari 16.4).";
    return;
  }
  try {
    await unpack();
  } catch (error) {
    $("state").textContent = `The rows of this page cannot be read (${error.message}). Write the report again.`;
    return;
  }
  if (!entries.length) {
    $("state").textContent = "There are no rows to look through.";
    return;
  }
  buildControls();
  for (const id of ["controls", "results"]) $(id).hidden = false;
  $("state").hidden = true;
  search();
  document.body.dataset.ready = (performance.now() - began).toFixed(0);
  setTimeout(prepare, 0, 0);
}

$("controls").addEventListener("submit", (event) => event.preventDefault());
$("query").addEventListener("input", later);
$("previous").addEventListener("click", () => turn(-1));
$("next").addEventListener("click", () => turn(1));
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName) || $("controls").hidden) return;
  event.preventDefault();
  $("query").focus();
  $("controls").scrollIntoView({ block: "start" });
});
start();
