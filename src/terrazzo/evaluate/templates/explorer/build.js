// Elements from plain values: text is always text, so no name of a class or a file can become markup.

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.entries(value).forEach((entry) => element.style.setProperty(...entry));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function fill(element, ...children) {
  element.replaceChildren(...children);
}

function option(value, text) {
  return make("option", { value }, text);
}

function percent(fraction, digits = 1) {
  return fraction === null || fraction === undefined ? "–" : (100 * fraction).toFixed(digits);
}

function points(fraction) {
  return fraction === null ? "–" : (fraction < 0 ? "−" : "+") + Math.abs(100 * fraction).toFixed(1);
}

// Small shares keep a digit that counts: 12 %, 1.2 %, 0.03 %.
function share(fraction) {
  const value = 100 * fraction;
  return value >= 9.95 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : value >= 0.01 ? value.toFixed(2) : value ? "< 0.01" : "0";
}

function className(k) {
  return data.classes[k].name;
}

function swatch(k) {
  return make("span", { class: "swatch", style: { background: data.classes[k].color } }, String(k));
}

function file(row, name) {
  return `${data.pictures}/${row.folder}/${name}`;
}

function layerFile(row, layer, model) {
  const letter = LETTERS[model];
  if (layer === "truth") return file(row, "truth.png");
  if (layer === "prediction") return file(row, `${letter}.png`);
  if (layer === "error") return file(row, `${letter}-error.png`);
  if (layer === "confidence" && row.confidence[model]) return file(row, `${letter}-confidence.png`);
  if (layer === "compare") return file(row, "compare.png");
  return null;
}

// The photograph with a layer over it; the sheet dims the photograph under errors and the like.
function stack(row, layer, model, { lazy = false, alt = "" } = {}) {
  const [height, width] = row.size;
  const size = { width, height, loading: lazy ? "lazy" : "eager", draggable: "false" };
  const over = layerFile(row, layer, model);
  return make(
    "span",
    { class: "stack", "data-layer": over ? layer : "image", "data-small": Math.max(height, width) < 480 },
    make("img", { class: "photo", src: file(row, "image.jpg"), alt, ...size }),
    ...(over ? [make("img", { class: "over", src: over, alt: "", ...size })] : []),
  );
}

const MEANINGS = {
  error: [["wrong", "wrong"], ["hatch", "void: not compared"]],
  confidence: [["doubt", "probability of the predicted class: 100 % (clear) to 50 % or less (blue)"]],
  compare: [["first", "only A is right"], ["wrong", "only B is right"], ["neither", "neither is"], ["hatch", "void"]],
};

function meaning(layers) {
  const kinds = layers.flatMap((layer) => MEANINGS[layer] ?? []);
  const entries = kinds.map(([kind, text]) => make("li", {}, make("span", { class: `swatch ${kind}` }, "\u00a0"), text));
  if (layers.some((layer) => layer === "truth" || layer === "prediction")) {
    entries.push(...data.classes.map((entry, k) => make("li", {}, swatch(k), entry.name)));
    entries.push(make("li", {}, make("span", { class: "swatch hatch" }, "\u00a0"), "void"));
  }
  return entries.length ? [make("ul", { class: "legend", "aria-label": "Legend" }, ...entries)] : [];
}
