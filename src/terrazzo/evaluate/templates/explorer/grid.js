// The list of images, a page at a time: pictures load when they come into sight, so thousands cost nothing.

const PER_PAGE = 48;

function drawGrid(rows) {
  const pages = Math.max(1, Math.ceil(rows.length / PER_PAGE));
  const page = Math.min(Math.max(1, Math.floor(Number(state.page))), pages);
  const shown = rows.slice((page - 1) * PER_PAGE, page * PER_PAGE);
  byId("count").textContent = countText(rows.length);
  fill(byId("grid"), ...shown.map(card));
  if (!rows.length) fill(byId("grid"), make("li", { class: "empty" }, "No image fits these filters."));
  drawPager(page, pages);
}

function countText(count) {
  const all = data.images.length;
  const number = count === all ? `${all}` : `${count} of ${all}`;
  return `${number} image${all === 1 ? "" : "s"}, ${orderText()} first`;
}

function orderText() {
  if (state.sort === "id") return state.reverse ? "last id" : "first id";
  if (largestFirst(state.sort)) return state.reverse ? "least" : "most";
  return state.reverse ? "best" : "worst";
}

function card(row) {
  const { worst } = scored(row);
  return make(
    "li",
    {},
    make(
      "a",
      { class: "card", href: address({ image: row.id }), "data-focus": `card ${row.id}` },
      stack(row, state.layer, state.model, { lazy: true }),
      name(row.id),
      make("span", { class: "numbers" }, ...numbers(row)),
      make("span", { class: "worst" }, worst === null ? "all void" : `worst: ${className(worst)} ${percent(scored(row).iou[worst], 0)}`),
      make("span", { class: "sorted" }, sortedBy(row)),
    ),
  );
}

// Where an id is cut, its end stays: that is what tells frames of one video apart.
function name(id) {
  const cut = Math.max(0, id.length - 9);
  return make("span", { class: "name", title: id }, make("span", {}, id.slice(0, cut)), make("span", {}, id.slice(cut)));
}

function numbers(row) {
  if (!two) return [make("b", {}, `${percent(scored(row).miou)} %`)];
  const [a, b] = row.models.map(({ miou }) => percent(miou));
  return [make("b", {}, `A ${a}`), make("b", {}, `B ${b}`), make("span", {}, points(gain(row)))];
}

// What the list is sorted by, where the card does not say it yet.
function sortedBy(row) {
  const [what, k] = state.sort.split("-");
  const value = sortValue(state.sort)(row);
  if (what === "iou") return `${className(k)} ${percent(value)}`;
  if (what === "accuracy") return `${percent(value)} % right`;
  return what === "pair" || what === "only" ? `${share(value)} %` : "";
}

function drawPager(page, pages) {
  const step = (to, text, label) =>
    make("button", { type: "button", disabled: to < 1 || to > pages, "aria-label": label, "data-focus": label, onclick: () => turnPage(to) }, text);
  const parts = [step(page - 1, "←", "Previous page"), make("span", {}, `page ${page} of ${pages}`), step(page + 1, "→", "Next page")];
  fill(byId("pager"), ...(pages > 1 ? parts : []));
}

function turnPage(to) {
  change({ page: String(to) }, { push: true });
  byId("grid").querySelector("a")?.focus();
  byId("images").scrollIntoView();
}
