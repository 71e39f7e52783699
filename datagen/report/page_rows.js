// The rows of the page: unpacked, searched and filtered. page_draw.js follows; page.py makes one script of the two.
// Texts of models and data sets only ever become text nodes (textContent): nothing of them is parsed as HTML.
const FACETS = [["verdict", "Verdict"], ["outcome", "Outcome"], ["kind", "Source"], ["model", "Model"], ["method", "Method"], ["origin", "Part"]];
const PER_PAGE = 20, FIRST_CARDS = 9, LONG_TEXT = 1100, LONG_LINES = 16, WHOLE = 20;
const GOOD = new Set(["correct", "selected", "accepted", "chosen"]);
const BAD = new Set(["wrong", "rejected", "not ranked", "false equation", "answer not stated"]);
// What would be invisible or turn the text around: shown by its code.
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;
const $ = (id) => document.getElementById(id);
const counted = new Intl.NumberFormat("en");
const many = (n, one, more) => `${counted.format(n)} ${n === 1 ? one : more}`;
const short = (value) => String(Math.round(value * 100) / 100);
let head, entries = [], hits = [], page = 0, timer = 0, terms = [];

function add(parent, tag, text, className) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (className) element.className = className;
  parent.append(element);
  return element;
}

async function unpack() {
  const holder = $("rows");
  const packed = atob(holder.textContent);
  holder.remove();
  const bytes = new Uint8Array(packed.length);
  for (let i = 0; i < packed.length; i++) bytes[i] = packed.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).pipeThrough(new TextDecoderStream());
  const reader = stream.getReader();
  let rest = [];
  const line = (text) => {
    if (head === undefined) head = JSON.parse(text);
    else for (const entry of JSON.parse(text)) entries.push(entry);
  };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    let from = 0, to;
    while ((to = value.indexOf("\n", from)) >= 0) {
      rest.push(value.slice(from, to));
      line(rest.join(""));
      rest = [];
      from = to + 1;
    }
    rest.push(value.slice(from));
  }
}

// --- search and filters

function haystack(entry) {
  if (entry.h === undefined) {
    entry.h = [entry.p, entry.q, entry.g, entry.a, ...(entry.o || [])].join("\n").toLowerCase();
    for (const card of entry.c) {
      const parts = [card.t, card.u, card.w, card.a];
      for (const [name, note] of card.n || []) parts.push(name, note);
      for (const [, , , evidence] of card.j || []) parts.push(...evidence);
      card.h = parts.join("\n").toLowerCase();
    }
  }
  return entry.h;
}

function prepare(from) {  // the first search is then as quick as the others
  const until = performance.now() + 12;
  let i = from;
  while (i < entries.length && performance.now() < until) haystack(entries[i++]);
  if (i < entries.length) setTimeout(prepare, 0, i);
  else document.body.dataset.prepared = "yes";
}

function termsOf(query) {
  const found = [];
  for (const [, phrase, word] of query.toLowerCase().matchAll(/"([^"]+)"|(\S+)/g)) {
    const term = phrase === undefined ? word.replaceAll('"', "") : phrase;
    if (term) found.push(term);
  }
  return found;
}

function chosen(name) {
  const select = $(`by-${name}`);
  return select && select.value !== "" ? Number(select.value) : undefined;
}

function bound(id) {
  const field = $(id);
  return field && field.value !== "" && Number.isFinite(Number(field.value)) ? Number(field.value) : undefined;
}

function search() {
  const began = performance.now();
  terms = termsOf($("query").value);
  const run = chosen("run");
  const facets = FACETS.map(([name]) => [name, chosen(name)]).filter(([, value]) => value !== undefined);
  const low = bound("low"), high = bound("high");
  const onlyFalse = $("only-false") !== null && $("only-false").checked;
  hits = [];
  let n = 0;
  for (const entry of entries) {
    if (run !== undefined && entry.r !== run) continue;
    let left = terms;
    if (terms.length) {
      const text = haystack(entry);
      left = terms.filter((term) => !text.includes(term));
    }
    let cards = null;
    next: for (const card of entry.c) {
      for (const [name, value] of facets) if (card[name] !== value) continue next;
      if (low !== undefined && !(card.s >= low)) continue;
      if (high !== undefined && !(card.s <= high)) continue;
      if (onlyFalse && !(card.e && card.e.some((equation) => equation[2] === 0))) continue;
      for (const term of left) if (!card.h.includes(term)) continue next;
      (cards ??= []).push(card);
    }
    if (cards) {
      hits.push({ entry, cards });
      n += cards.length;
    }
  }
  sort();
  page = 0;
  const ms = performance.now() - began;
  const total = `${many(n, "text", "texts")} of ${many(hits.length, { entries: "entry" }[head.unit] || head.unit.slice(0, -1), head.unit)}`;
  $("found").textContent = hits.length ? `${total}, found in ${ms < 1 ? "under 1" : ms.toFixed(0)} ms` : "Nothing matches. Take a filter away, or search for fewer words.";
  draw();
  document.body.dataset.searchMs = (performance.now() - began).toFixed(1);  // drawing included
}

function sort() {
  const by = $("sort") ? $("sort").value : "";
  if (!by) return;
  const of = {
    low: (cards) => Math.min(...cards.map((card) => card.s ?? Infinity)),
    high: (cards) => -Math.max(...cards.map((card) => card.s ?? -Infinity)),
    apart: (cards) => -Math.max(...cards.map((card) => card.d ?? -1)),
    long: (cards) => -Math.max(...cards.map((card) => card.t.length + (card.x || 0))),
    wrong: (cards) => -cards.filter((card) => card.e && card.e.some((equation) => equation[2] === 0)).length,
  }[by];
  const keyed = hits.map((hit) => [of(hit.cards), hit]);
  keyed.sort((a, b) => a[0] - b[0] || 0);  // stable: ties stay in the run's order
  hits = keyed.map(([, hit]) => hit);
}

function later() {
  clearTimeout(timer);
  timer = setTimeout(search, 120);
}

// --- controls

function select(parent, id, label, options) {
  const field = add(parent, "div", undefined, "field");
  const name = add(field, "label", label);
  name.htmlFor = id;
  const made = add(field, "select");
  made.id = id;
  for (const [value, text] of options) {
    const option = add(made, "option", text);
    option.value = value;
  }
  made.addEventListener("change", search);
}

function facetOptions(name, names, count) {
  const order = names.map((_, i) => i).filter((i) => count[i]);
  order.sort((a, b) => count[b] - count[a]);
  return [["", "all"], ...order.map((i) => [String(i), `${names[i]} (${counted.format(count[i])})`])];
}

function buildControls() {
  const counts = { run: head.runs.map(() => 0) };
  for (const [name] of FACETS) counts[name] = head[name].map(() => 0);
  let least = Infinity, most = -Infinity, anyFalse = false, anyEquation = false, anyDeviation = false;
  for (const entry of entries) {
    for (const card of entry.c) {
      counts.run[entry.r]++;
      for (const [name] of FACETS) if (card[name] !== undefined) counts[name][card[name]]++;
      if (card.s !== undefined) { least = Math.min(least, card.s); most = Math.max(most, card.s); }
      if (card.d !== undefined) anyDeviation = true;
      if (card.e) { anyEquation = true; anyFalse ||= card.e.some((equation) => equation[2] === 0); }
    }
  }
  const parent = $("facets");
  if (head.runs.length > 1) select(parent, "by-run", "Run", facetOptions("run", head.runs, counts.run));
  for (const [name, label] of FACETS) {
    if (counts[name].filter((n) => n).length > 1) select(parent, `by-${name}`, label, facetOptions(name, head[name], counts[name]));
  }
  if (most > least) {
    const field = add(parent, "div", undefined, "field");
    field.role = "group";
    field.ariaLabel = "Score";
    add(field, "span", `Score, ${short(least)} to ${short(most)}`);
    const pair = add(field, "div", undefined, "pair");
    for (const [id, label, shown] of [["low", "Lowest score", "min"], ["high", "Highest score", "max"]]) {
      const input = add(pair, "input");
      Object.assign(input, { id, type: "number", step: "any", placeholder: shown, ariaLabel: label });
      input.addEventListener("input", later);
    }
  }
  const orders = [["", "of the run"]];
  if (most > least) orders.push(["low", "lowest score first"], ["high", "highest score first"]);
  if (anyDeviation) orders.push(["apart", "votes furthest apart"]);
  if (anyFalse) orders.push(["wrong", "most false equations"]);
  orders.push(["long", "longest text first"]);
  select(parent, "sort", "Order", orders);
  if (anyFalse) {
    const label = add(parent, "label", undefined, "check");
    const box = add(label, "input");
    Object.assign(box, { type: "checkbox", id: "only-false" });
    add(label, "span", "with a false equation");
    box.addEventListener("change", search);
  }
  $("equations-legend").hidden = !anyEquation;
  if (matchMedia("(max-width: 40rem)").matches) $("filters").open = false;
}
