// Confusions as filters: the largest as a list in words, and all of them as a table of cells.

const LISTED = 6;
const LISTED_ALL = 300;
const WIDEST = 40;

const confusions = data.models.map(({ matrix }) =>
  matrix
    .flatMap((row, k) => row.map((pixels, j) => ({ k, j, pixels })))
    .filter(({ k, j, pixels }) => k !== j && pixels > 0)
    .sort((a, b) => b.pixels - a.pixels),
);

function choosePair(k, j) {
  const pair = `${k}.${j}`;
  const off = state.pair === pair;
  byId("matrix").close();
  change({ pair: off ? "" : pair, sort: off ? "miou" : "pair", reverse: "", image: "" }, { push: true });
}

function pairButton(k, j, extra, place) {
  const pressed = String(state.pair === `${k}.${j}`);
  return make(
    "button",
    { type: "button", class: "pair-button", "data-focus": `${place} ${k}.${j}`, "aria-pressed": pressed, "aria-label": `${className(k)} taken for ${className(j)}, ${extra}`, onclick: () => choosePair(k, j) },
    make("span", {}, swatch(k), className(k), make("span", { class: "arrow" }, "→"), swatch(j), className(j)),
    make("span", { class: "soft" }, extra),
  );
}

function drawConfusions() {
  const cells = confusions[state.model];
  const wrong = cells.reduce((sum, { pixels }) => sum + pixels, 0);
  fill(byId("pairs"), ...cells.slice(0, LISTED).map(({ k, j, pixels }) => make("li", {}, pairButton(k, j, `${share(pixels / wrong)} %`, "listed"))));
  byId("matrix-open").hidden = cells.length <= LISTED;
}

function openMatrix() {
  byId("matrix-said").textContent = "In per cent of the pixels of each row's class. Select a pair to see its images.";
  data.classes.length > WIDEST ? drawLongList() : drawMatrix();
  byId("matrix").showModal();
}

// A table of hundreds of classes is no longer read: the largest pairs in words.
function drawLongList() {
  const cells = confusions[state.model].slice(0, LISTED_ALL);
  const wrong = confusions[state.model].reduce((sum, { pixels }) => sum + pixels, 0);
  byId("matrix-said").textContent = `The ${cells.length} largest pairs, in per cent of all mistakes.`;
  fill(byId("matrix-cells"), make("ol", {}, ...cells.map(({ k, j, pixels }) => make("li", {}, pairButton(k, j, `${share(pixels / wrong)} %`, "all")))));
}

function drawMatrix() {
  const matrix = data.models[state.model].matrix;
  const head = make("tr", {}, make("td"), ...data.classes.map((entry, j) => make("th", { scope: "col", title: entry.name }, swatch(j))));
  const rows = matrix.map((row, k) => {
    const total = row.reduce((a, b) => a + b, 0);
    return make("tr", {}, make("th", { scope: "row" }, swatch(k), className(k)), ...row.map((pixels, j) => cell(k, j, pixels, total)));
  });
  const cells = byId("matrix-cells");
  fill(cells, make("table", { class: "matrix" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  const start = cells.querySelector(`[data-cell="${state.pair}"]`) ?? cells.querySelector("button:enabled");
  if (start) start.tabIndex = 0;
}

// Only one cell is reached by Tab; arrows go on from there.
function cell(k, j, pixels, total) {
  const part = total ? pixels / total : 0;
  const text = k === j ? `${className(k)}: ${percent(part)} % right` : `${className(k)} taken for ${className(j)}: ${share(part)} % of the class`;
  return make(
    "td",
    { style: { "--part": String(Math.sqrt(part)) }, class: k === j ? "right-cell" : null },
    make("button", {
      type: "button", tabindex: "-1", title: text, "aria-label": text, "data-cell": `${k}.${j}`, disabled: k === j || !pixels,
      "aria-pressed": String(state.pair === `${k}.${j}`), onclick: () => choosePair(k, j),
      onmouseenter: () => { byId("matrix-said").textContent = text; },
      onfocus: () => { byId("matrix-said").textContent = text; },
    }, pixels ? share(part) : ""),
  );
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

// Go to the next cell that can be chosen in the direction of an arrow.
function moveInMatrix(event) {
  const from = event.target.dataset?.cell;
  const step = STEPS[event.key];
  if (!from || !step) return;
  event.preventDefault();
  event.stopPropagation();
  let [k, j] = from.split(".").map(Number);
  for (;;) {
    [k, j] = [k + step[0], j + step[1]];
    const next = byId("matrix-cells").querySelector(`[data-cell="${k}.${j}"]`);
    if (!next) return;
    if (next.disabled) continue;
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    return;
  }
}
