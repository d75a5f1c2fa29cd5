// ---- Words, numbers, images ----
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("page-data").textContent);
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const paper = window.matchMedia("print");
let isPrinting = false;
const scheme = () => (dark.matches && !isPrinting && !paper.matches ? "dark" : "light");

const make = (tag, text = "", attributes = {}) => {
  const element = document.createElement(tag);
  element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
};
const format = (value, digits = 3) => {
  if (value === null || !Number.isFinite(value)) return "n/a";
  const text = String(Number(value.toPrecision(digits)));
  return text.replace("-", "\u2212");
};
const option = (value, text) => make("option", text, { value });
const mm = (value) => String(value).replace("-", "\u2212");

// Bytes of the images by address; a grey image has one byte per pixel, others have four.
const images = new Map();
const load = (uri, isGrey = true) => {
  if (!images.has(uri)) images.set(uri, decode(uri, isGrey));
  return images.get(uri);
};
const decode = async (uri, isGrey) => {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = make("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  if (!isGrey) return { width: canvas.width, height: canvas.height, bytes: pixels };
  const bytes = new Uint8Array(canvas.width * canvas.height);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = pixels[4 * i];
  return { width: canvas.width, height: canvas.height, bytes };
};

// One of several images that are stored one below the other.
const part = (strip, number, count) => {
  const height = strip.height / count;
  const size = strip.width * height;
  return { width: strip.width, height, bytes: strip.bytes.subarray(number * size, (number + 1) * size) };
};

// Bilinear interpolation between pixels with a value; 0 where most of the weight is on pixels without one.
const interpolate = (image, x, y) => {
  const { width, height, bytes } = image;
  const column = Math.min(Math.max(x, 0), width - 1);
  const row = Math.min(Math.max(y, 0), height - 1);
  const left = Math.floor(column);
  const top = Math.floor(row);
  const across = column - left;
  const down = row - top;
  let sum = 0;
  let weights = 0;
  for (let k = 0; k < 4; k += 1) {
    const i = Math.min(left + (k & 1), width - 1);
    const j = Math.min(top + (k >> 1), height - 1);
    const byte = bytes[j * width + i];
    const weight = (k & 1 ? across : 1 - across) * (k >> 1 ? down : 1 - down);
    if (byte) {
      sum += weight * byte;
      weights += weight;
    }
  }
  return weights < 0.5 ? 0 : sum / weights;
};

// ---- Colours ----
// Colour of a signed byte: `gain` is the limit of the bytes relative to the end of the colour range.
const signedColour = (byte, gain, threshold, table) => {
  const value = (byte - 128) / 127;
  if (!byte || Math.abs(value) < threshold || value === 0) return -1;
  const scaled = Math.max(-1, Math.min(1, value * gain));
  // Small values keep their sign.
  const code = 128 + (scaled > 0 ? Math.ceil(scaled * 127) : Math.floor(scaled * 127));
  return 3 * Math.max(1, code) + table.offset;
};
const table = (name) => ({ bytes: data.colours[name], offset: 0 });
const greyOf = (byte) => (scheme() === "dark" ? 22 + 0.42 * byte : 120 + 0.5 * byte);

// ---- Parts of every page ----
const startCopy = () => {
  const button = byId("copy-methods");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = byId("methods-text");
    const selection = window.getSelection();
    try {
      await navigator.clipboard.writeText(text.textContent);
      byId("copy-status").textContent = "Copied.";
    } catch {
      selection.selectAllChildren(text);
      byId("copy-status").textContent = "The text is selected; copy it with the keyboard.";
    }
  });
};

// The link of the section in view is marked.
const startNavigation = () => {
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.getAttribute("href").slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    });
  }, { rootMargin: "-10% 0px -80% 0px" });
  links.forEach((link, id) => observer.observe(byId(id)));
};

// Calls `redraw` when the colours of the page change.
const onRepaint = (redraw) => {
  dark.addEventListener("change", redraw);
  // Paper is light. Images are decoded already, so the canvases are redrawn before the page is printed.
  for (const [name, value] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      isPrinting = value;
      if (dark.matches) redraw();
    });
  }
};
