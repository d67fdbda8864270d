// Which images are shown, and in which order. Nothing here touches the page.

function chosenImages() {
  const tests = filterTests();
  const value = sortValue(state.sort);
  const sign = (largestFirst(state.sort) ? -1 : 1) * (state.reverse ? -1 : 1);
  const rows = data.images.map((row, index) => ({ row, index, value: value(row) }));
  const kept = rows.filter(({ row }) => tests.every((test) => test(row)));
  kept.sort((a, b) => compareValues(a.value, b.value, sign) || a.index - b.index);
  return kept.map(({ row }) => row);
}

// What is undefined (all void, a class that is not there) stands last whichever way the order runs.
function compareValues(a, b, sign) {
  if (a === null || b === null) return (a === null) - (b === null);
  if (typeof a === "string") return sign * a.localeCompare(b, "en", { numeric: true });
  return sign * (a - b);
}

function filterTests() {
  const tests = [];
  const pair = pairOf(state.pair);
  if (state.q) tests.push((row) => `${row.id}\n${row.group ?? ""}`.toLowerCase().includes(state.q.toLowerCase()));
  if (state.group) tests.push((row) => row.group === state.group);
  if (state.class !== "") tests.push((row) => classOccurs(row, state.class, state.mode));
  if (pair) tests.push((row) => pairShare(row, pair) > 0);
  if (state.low !== "") tests.push((row) => scored(row).miou !== null && 100 * scored(row).miou >= Number(state.low));
  if (state.high !== "") tests.push((row) => scored(row).miou !== null && 100 * scored(row).miou <= Number(state.high));
  return tests;
}

function classOccurs(row, k, mode) {
  const there = k in row.truth;
  const iou = scored(row).iou[k];
  if (mode === "present") return there;
  if (mode === "wrong") return iou !== undefined && iou < 1;
  if (mode === "missed") return there && iou === 0;
  return !there && iou !== undefined;
}

function scored(row, model = state.model) {
  return row.models[model];
}

function pairShare(row, [truth, guess]) {
  const found = scored(row).pairs.find(([k, j]) => k === truth && j === guess);
  return found ? found[2] : 0;
}

function largestFirst(sort) {
  return ["pair", "gain", "only-a", "only-b"].includes(sort);
}

// Named as in the address: miou, accuracy, id, pair, gain, only-a, only-b, iou-3.
function sortValue(sort) {
  const [what, k] = sort.split("-");
  const pair = pairOf(state.pair);
  if (sort === "accuracy") return (row) => scored(row).accuracy;
  if (sort === "id") return (row) => row.id;
  if (sort === "pair" && pair) return (row) => pairShare(row, pair);
  if (what === "iou" && k in data.classes) return (row) => scored(row).iou[k] ?? null;
  if (what === "only" && two) return (row) => row.only[k === "b" ? 1 : 0];
  if (sort === "gain" && two) return (row) => gain(row);
  return (row) => scored(row).miou;
}

function gain(row) {
  const [a, b] = row.models.map(({ miou }) => miou);
  return a === null || b === null ? null : b - a;
}
