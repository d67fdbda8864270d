// What lies under the pointer. A page from the disk cannot read the pixels of pictures beside it, so each image
// has its ids as text in a small style sheet: a PNG whose red, green and blue are truth, model A and model B.

const VOID = 255;
let sheet = null;

async function loadPixels(row) {
  const texts = await loadSheet(file(row, "pixels.css"));
  if (!texts || !texts.every(Boolean)) return null;
  const [ids, sure] = await Promise.all(texts.map(decode));
  return { ids, sure };
}

function loadSheet(href) {
  sheet?.remove();
  const mine = make("link", { rel: "stylesheet", href });
  sheet = mine;
  return new Promise((done) => {
    mine.onload = () => {
      const style = getComputedStyle(document.documentElement);
      const texts = ["--ids", "--sure"].map((name) => style.getPropertyValue(name).trim().replaceAll('"', ""));
      mine.remove();
      done(mine === sheet ? texts : null);
    };
    mine.onerror = () => done(null);
    document.head.append(mine);
  });
}

async function decode(base64) {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = make("canvas", { width: image.width, height: image.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
}

// `x` and `y` in 0..1 of the picture.
function pixelAt({ data: bytes, width, height }, x, y) {
  const column = Math.min(width - 1, Math.floor(x * width));
  const row = Math.min(height - 1, Math.floor(y * height));
  return bytes.subarray(4 * (row * width + column));
}

function pixelText(pixels, row, model, x, y) {
  const ids = pixelAt(pixels.ids, x, y);
  const sure = pixelAt(pixels.sure, x, y)[1 + model];
  const guess = ids[1 + model];
  const name = (id) => (id === VOID ? [make("span", { class: "swatch hatch" }, "\u00a0"), "void"] : [swatch(id), className(id)]);
  const said = row.confidence[model] ? ` ${sure} %` : "";
  const mark = ids[0] === VOID ? "" : ids[0] === guess ? " ✓" : " ✗";
  const label = (text) => make("small", {}, text);
  return [label("truth"), make("span", {}, ...name(ids[0])), label(two ? "AB"[model] : "model"), make("span", {}, ...name(guess), said + mark)];
}
