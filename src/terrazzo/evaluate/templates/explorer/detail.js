// One image, large: two layers with a wipe between them, a stage per model, and what the model made of it.

let drawn = "";
let pixels = null;

function drawDetail(rows) {
  const dialog = byId("detail");
  const row = data.images.find(({ id }) => id === state.image);
  if (!row || state.view !== "images") {
    drawn = "";
    if (dialog.open) dialog.close();
    return;
  }
  const key = [row.id, state.layer, state.left].join("\n");
  if (key !== drawn) drawStages(row);
  drawn = key;
  byId("left").value = state.left;
  const place = rows.indexOf(row);
  byId("place").textContent = place < 0 ? "not in the list" : `${place + 1} of ${rows.length}`;
  byId("previous").disabled = place <= 0;
  byId("next").disabled = place < 0 || place === rows.length - 1;
  drawAside(row);
  if (dialog.open) return;
  dialog.showModal();
  dialog.focus();
}

function drawStages(row) {
  byId("detail-id").textContent = row.id;
  byId("detail-facts").textContent = factsText(row);
  const models = state.layer === "compare" ? [0] : data.models.map((_, model) => model);
  const stages = models.map((model) => stage(row, model));
  fill(byId("stages"), ...stages);
  byId("stages").dataset.count = stages.length;
  pixels = null;
  loadPixels(row).then((loaded) => {
    if (row.id === state.image) pixels = loaded;
  });
}

function factsText(row) {
  const scores = row.models.map(({ miou, accuracy }, model) => {
    const name = two ? `${"AB"[model]} ` : "";
    return `${name}mIoU ${percent(miou)} %, ${percent(accuracy)} % of the pixels right`;
  });
  const only = two ? [`only A right ${share(row.only[0])} %, only B right ${share(row.only[1])} %`] : [];
  return [row.group, ...scores, ...only].filter(Boolean).join(" · ");
}

function stage(row, model) {
  const alt = (layer) => `${LAYERS.find(({ name }) => name === layer).label} of ${row.id}`;
  const tip = make("span", { class: "tip", hidden: true, "aria-hidden": "true" });
  const area = make(
    "div",
    { class: "stage", "data-model": model, style: { "--ratio": String(row.size[1] / row.size[0]) } },
    stack(row, state.left, model, { alt: alt(state.left) }),
    make("div", { class: "right" }, stack(row, state.layer, model, { alt: alt(state.layer) })),
    make("div", { class: "wipe-line", "aria-hidden": "true" }),
    tip,
  );
  area.addEventListener("pointerdown", (event) => { area.setPointerCapture(event.pointerId); wipeTo(area, event); });
  area.addEventListener("pointermove", (event) => { if (event.buttons) wipeTo(area, event); point(area, tip, row, model, event); });
  area.addEventListener("pointerup", () => change({ wipe: state.wipe }));
  area.addEventListener("pointerleave", () => { tip.hidden = true; });
  const caption = two && state.layer !== "compare" ? [make("figcaption", {}, make("b", {}, "AB"[model]), ` ${data.models[model].name}`)] : [];
  return make("figure", {}, area, ...caption);
}

function within(area, event) {
  const box = area.getBoundingClientRect();
  const clip = (value) => Math.min(1, Math.max(0, value));
  return [clip((event.clientX - box.left) / box.width), clip((event.clientY - box.top) / box.height)];
}

function wipeTo(area, event) {
  slide("wipe", String(Math.round(100 * within(area, event)[0])));
}

// While a slider moves only the picture follows; the address is written when it rests.
function slide(name, value) {
  state[name] = value;
  byId(name).value = value;
  document.body.style.setProperty(`--${name}`, String(Number(value) / 100));
}

function point(area, tip, row, model, event) {
  if (!pixels) return;
  const [x, y] = within(area, event);
  fill(tip, ...pixelText(pixels, row, model, x, y));
  tip.hidden = false;
  tip.style.left = `${100 * x}%`;
  tip.style.top = `${100 * y}%`;
  tip.dataset.side = `${x > 0.5 ? "left" : "right"} ${y > 0.85 ? "above" : ""}`;
}

function drawAside(row) {
  const classes = Object.keys(row.truth).concat(Object.keys(scored(row).iou).filter((k) => !(k in row.truth)));
  classes.sort((a, b) => (scored(row).iou[a] ?? 2) - (scored(row).iou[b] ?? 2));
  const head = ["class", "share", ...(two ? ["A", "B"] : ["IoU"])];
  const lines = classes.map((k) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, swatch(k), className(k)),
      make("td", {}, k in row.truth ? share(row.truth[k]) : "none"),
      ...row.models.map(({ iou }) => make("td", { class: "iou", style: { "--part": String(iou[k] ?? 0) } }, percent(iou[k]))),
    ),
  );
  const pairs = scored(row).pairs.slice(0, 6).map(([k, j, part]) => make("li", {}, pairButton(k, j, `${share(part)} %`, "aside")));
  fill(
    byId("aside"),
    make("table", {}, make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))), make("tbody", {}, ...lines)),
    ...(pairs.length ? [make("h3", {}, two ? `${"AB"[state.model]} takes, % of the pixels` : "Taken for, % of the pixels"), make("ol", {}, ...pairs)] : []),
  );
}
