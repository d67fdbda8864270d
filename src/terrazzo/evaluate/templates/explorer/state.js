// What the page shows is one flat record of strings, kept in the address: a view can be shared or gone back to.

const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const two = data.models.length === 2;
const LETTERS = ["a", "b"];

const LAYERS = [
  { name: "image", key: "0", label: "Image" },
  { name: "truth", key: "1", label: "Truth" },
  { name: "prediction", key: "2", label: "Prediction" },
  { name: "error", key: "3", label: "Errors" },
  { name: "confidence", key: "4", label: "Confidence" },
  { name: "compare", key: "5", label: "A or B" },
].filter(({ name }) => (two || name !== "compare") && (name !== "confidence" || anyConfidence()));

const MODES = {
  present: "is in the truth",
  wrong: "is wrong somewhere",
  missed: "is in the truth, never found",
  invented: "is predicted, not there",
};

const DEFAULTS = {
  view: "images", image: "", sort: "miou", reverse: "", model: "0",
  class: "", mode: "present", pair: "", low: "", high: "", group: "", q: "", page: "1",
  layer: "error", left: "image", wipe: "50", opacity: "80",
};
const FILTERS = ["class", "pair", "low", "high", "group", "q"];

let state = readAddress();

function anyConfidence() {
  return data.images.some((row) => row.confidence.includes(true));
}

function readAddress() {
  const given = { ...DEFAULTS };
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (key in DEFAULTS) given[key] = value;
  }
  return checked(given);
}

// An address may be old or mistyped: what does not exist here falls back to the default.
function checked(given) {
  const known = {
    view: (value) => value === "images" || value === "report",
    image: (value) => data.images.some((row) => row.id === value),
    model: (value) => value in data.models,
    class: (value) => value in data.classes,
    mode: (value) => Object.hasOwn(MODES, value),
    pair: (value) => pairOf(value) !== null,
    layer: (value) => LAYERS.some(({ name }) => name === value),
    left: (value) => LAYERS.some(({ name }) => name === value),
    low: isNumber, high: isNumber, wipe: isNumber, opacity: isNumber, page: isNumber,
  };
  for (const [key, test] of Object.entries(known)) {
    if (given[key] !== "" && !test(given[key])) given[key] = DEFAULTS[key];
  }
  return given;
}

function isNumber(text) {
  return Number.isFinite(Number(text));
}

// "3.5" is class 3 taken for class 5.
function pairOf(text) {
  const found = /^(\d+)\.(\d+)$/.exec(text);
  const pair = found && [Number(found[1]), Number(found[2])];
  return pair && pair.every((k) => k in data.classes) ? pair : null;
}

function address(patch = {}) {
  const changed = Object.entries({ ...state, ...patch }).filter(([key, value]) => value !== DEFAULTS[key]);
  return "#" + new URLSearchParams(changed);
}

// `push` makes a step that the browser's way back undoes; without, the present step is rewritten.
function change(patch, { push = false } = {}) {
  const filters = [...FILTERS, "mode", "sort", "reverse", "model"];
  if (filters.some((key) => key in patch) && !("page" in patch)) patch.page = "1";
  history[push ? "pushState" : "replaceState"](null, "", address(patch));
  state = checked({ ...state, ...patch });
  draw();
}
