// The page's fields, keys and tabs; and the one function that draws all of it from the state.

function draw() {
  const focused = document.activeElement?.dataset?.focus;
  const rows = chosenImages();
  const layer = LAYERS.find(({ name }) => name === state.layer) ?? LAYERS[0];
  for (const view of ["images", "report"]) {
    byId(view).hidden = state.view !== view;
    byId(`tab-${view}`).setAttribute("aria-selected", String(state.view === view));
    byId(`tab-${view}`).tabIndex = state.view === view ? 0 : -1;
  }
  for (const id of ["q", "model", "class", "mode", "group", "low", "high"]) {
    if (document.activeElement !== byId(id)) byId(id).value = state[id];
  }
  drawSorts();
  byId("mode").hidden = state.class === "";
  for (const button of document.querySelectorAll(".layers button")) {
    button.setAttribute("aria-pressed", String(button.dataset.layer === layer.name));
  }
  slide("wipe", state.wipe);
  slide("opacity", state.opacity);
  byId("left").value = state.left;
  drawChips();
  drawConfusions();
  if (!state.image) drawGrid(rows);
  drawDetail(rows);
  const layers = state.image ? [state.layer, state.left] : [state.layer];
  for (const place of document.querySelectorAll("[data-meaning]")) fill(place, ...meaning([...new Set(layers)]));
  // What was redrawn is another element: give it the focus that its forerunner had.
  if (focused) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function drawSorts() {
  const pair = pairOf(state.pair);
  const sorts = [["miou", "mIoU of the image"], ["accuracy", "pixels right"], ["id", "id"]];
  if (pair) sorts.unshift(["pair", `${className(pair[0])} taken for ${className(pair[1])}`]);
  if (two) sorts.push(["gain", "gain of B over A"], ["only-a", "pixels only A has right"], ["only-b", "pixels only B has right"]);
  const classes = make("optgroup", { label: "Classes" }, ...data.classes.map(({ name }, k) => option(`iou-${k}`, `IoU of ${name}`)));
  fill(byId("sort"), ...sorts.map(([value, text]) => option(value, text)), classes);
  byId("sort").value = state.sort;
  if (byId("sort").selectedIndex < 0) byId("sort").value = "miou";
  byId("turn").textContent = `${orderText()} ⇅`;
  byId("turn").setAttribute("aria-label", `Order: ${orderText()} first. Turn it round.`);
}

function drawChips() {
  const pair = pairOf(state.pair);
  const texts = {
    pair: pair && `${className(pair[0])} → ${className(pair[1])}`,
    class: state.class !== "" && `${className(state.class)} ${MODES[state.mode]}`,
    group: state.group && `group ${state.group}`,
    q: state.q && `“${state.q}”`,
    low: state.low !== "" && `mIoU from ${state.low} %`,
    high: state.high !== "" && `mIoU to ${state.high} %`,
  };
  const given = Object.entries(texts).filter(([, text]) => text);
  const without = (keys) => ({ ...Object.fromEntries(keys.map((key) => [key, ""])), ...(keys.includes("pair") && state.sort === "pair" ? { sort: "miou" } : {}) });
  const chip = (keys, text) => make("li", {}, make("button", { type: "button", "aria-label": `Remove filter: ${text}`, onclick: () => change(without(keys), { push: true }) }, text, " ✕"));
  fill(byId("chips"), ...given.map(([key, text]) => chip([key], text)), ...(given.length > 1 ? [chip(FILTERS, "all filters")] : []));
}

function setUp() {
  const layers = (place) => fill(byId(place), ...LAYERS.map(({ name, key, label }) =>
    make("button", { type: "button", "data-layer": name, onclick: () => change({ layer: name }) }, make("kbd", { "aria-hidden": "true" }, key), label)));
  layers("layers");
  layers("detail-layers");
  fill(byId("left"), ...LAYERS.filter(({ name }) => name !== "compare").map(({ name, label }) => option(name, label.toLowerCase())));
  fill(byId("model"), ...data.models.map(({ name }, model) => option(String(model), `${"AB"[model]} · ${name}`)));
  fill(byId("class"), option("", "any"), ...data.classes.map(({ name }, k) => option(String(k), name)));
  fill(byId("mode"), ...Object.entries(MODES).map(([value, text]) => option(value, text)));
  const groups = [...new Set(data.images.map(({ group }) => group).filter((group) => group !== null))].sort();
  fill(byId("group"), option("", "any"), ...groups.map((group) => option(group, group)));
  byId("group-field").hidden = groups.length < 2;
  byId("model-field").hidden = !two;
  document.querySelectorAll(".of-two").forEach((element) => { element.hidden = !two; });
  document.querySelector(".tabs").hidden = false;
  if (matchMedia("(max-width: 60rem)").matches) byId("filters").open = false;
  listen();
}

function listen() {
  for (const id of ["wipe", "opacity"]) {
    byId(id).addEventListener("input", (event) => slide(id, event.target.value));
    byId(id).addEventListener("change", (event) => change({ [id]: event.target.value }));
  }
  for (const id of ["q", "low", "high"]) byId(id).addEventListener("input", (event) => change({ [id]: event.target.value }));
  for (const id of ["model", "class", "mode", "group", "sort", "left"]) {
    byId(id).addEventListener("change", (event) => change({ [id]: event.target.value, ...(id === "sort" ? { reverse: "" } : {}) }));
  }
  byId("turn").addEventListener("click", () => change({ reverse: state.reverse ? "" : "1" }));
  byId("matrix-open").addEventListener("click", openMatrix);
  byId("matrix-cells").addEventListener("keydown", moveInMatrix);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("close").addEventListener("click", closeDetail);
  byId("detail").addEventListener("cancel", (event) => { event.preventDefault(); closeDetail(); });
  byId("keys-open").addEventListener("click", () => byId("keys").showModal());
  for (const tab of document.querySelectorAll("[data-view]")) {
    tab.addEventListener("click", () => change({ view: tab.dataset.view }, { push: true }));
    tab.addEventListener("keydown", turnTab);
  }
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("content").focus(); });
  addEventListener("hashchange", () => { state = readAddress(); draw(); });
  addEventListener("keydown", press);
}

// Arrows go from tab to tab, as everywhere.
function turnTab(event) {
  if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
  event.stopPropagation();
  const other = event.target.dataset.view === "images" ? "report" : "images";
  change({ view: other }, { push: true });
  byId(`tab-${other}`).focus();
}

function closeDetail() {
  const id = state.image;
  change({ image: "" }, { push: true });
  byId("grid").querySelector(`[data-focus="${CSS.escape(`card ${id}`)}"]`)?.focus();
}

// Go on through the whole list, not only the page of it; closing then shows the page where one has come to.
function step(by) {
  const rows = chosenImages();
  const place = rows.findIndex(({ id }) => id === state.image) + by;
  if (place in rows) change({ image: rows[place].id, page: String(Math.floor(place / PER_PAGE) + 1) });
}

function stepInGrid(by) {
  const cards = [...byId("grid").querySelectorAll("a")];
  const place = cards.indexOf(document.activeElement);
  const target = cards[place < 0 ? 0 : place + by];
  if (target) return target.focus();
  const button = byId("pager").querySelector(by > 0 ? "button:last-child" : "button");
  if (button && !button.disabled) button.click();
}

function columns() {
  return getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;
}

function press(event) {
  const inField = event.target.matches("input, select, textarea");
  if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open || byId("matrix").open) return;
  if (event.key === "Escape" && inField) return event.target.blur();
  const range = inField && event.target.type === "range";
  if (inField && !(range && !event.key.startsWith("Arrow"))) return;
  const action = actions()[event.key];
  if (!action || (state.view !== "images" && event.key !== "?")) return;
  event.preventDefault();
  action();
}

function actions() {
  const open = state.image !== "";
  const go = (by) => () => (open ? step(by) : stepInGrid(by));
  const wipe = (by) => () => change({ wipe: String(Math.min(100, Math.max(0, Number(state.wipe) + by))) });
  return {
    j: go(1), k: go(-1), ArrowRight: go(1), ArrowLeft: go(-1),
    ...(open ? { "[": wipe(-5), "]": wipe(5) } : { ArrowDown: go(columns()), ArrowUp: go(-columns()) }),
    ...Object.fromEntries(LAYERS.map(({ name, key }) => [key, () => change({ layer: name })])),
    "/": () => { if (open) closeDetail(); byId("filters").open = true; byId("q").focus(); },
    "?": () => byId("keys").showModal(),
    ...(two ? { m: () => change({ model: state.model === "0" ? "1" : "0", ...(open ? { page: state.page } : {}) }) } : {}),
  };
}

setUp();
draw();
