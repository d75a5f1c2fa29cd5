// ---- Drawing of slices and projections ----
const SCALE = 2; // Pixels of a canvas per voxel of 2 mm.

// Fills canvases: `colour(byte)` is an index into `colours.bytes`, or -1 where the underlay is seen.
const drawPlane = (canvas, plane) => {
  const { under, underScale, over, overScale, colour, colours } = plane;
  const [firstColumn, firstRow, nColumns, nRows] = plane.box;
  const width = nColumns * SCALE;
  const height = nRows * SCALE;
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(width, height);
  const pixels = picture.data;
  for (let row = 0; row < height; row += 1) {
    const y = firstRow + (row + 0.5) / SCALE - 0.5;
    for (let column = 0; column < width; column += 1) {
      const x = firstColumn + (column + 0.5) / SCALE - 0.5;
      const place = 4 * (row * width + column);
      const index = over ? colour(interpolate(over, x * overScale, y * overScale)) : -1;
      if (index >= 0) {
        pixels[place] = colours.bytes[index];
        pixels[place + 1] = colours.bytes[index + 1];
        pixels[place + 2] = colours.bytes[index + 2];
        pixels[place + 3] = 255;
        continue;
      }
      const grey = interpolate(under, x * underScale, y * underScale);
      if (grey) {
        pixels[place] = pixels[place + 1] = pixels[place + 2] = plane.isGlass ? plane.glass : greyOf(grey);
        pixels[place + 3] = 255;
      }
    }
  }
  if (plane.isGlass) outline(pixels, plane, width, height);
  context.putImageData(picture, 0, 0);
};

// The outline of the brain: pixels of it beside pixels outside.
const outline = (pixels, { under, box }, width, height) => {
  const isInside = new Uint8Array(width * height);
  for (let i = 0; i < isInside.length; i += 1) {
    const column = Math.floor((i % width) / SCALE) + box[0];
    const row = Math.floor(Math.floor(i / width) / SCALE) + box[1];
    isInside[i] = under.bytes[row * under.width + column] ? 1 : 0;
  }
  const shade = scheme() === "dark" ? 150 : 110;
  for (let row = 1; row < height - 1; row += 1) {
    for (let column = 1; column < width - 1; column += 1) {
      const i = row * width + column;
      if (!isInside[i] || (isInside[i - 1] && isInside[i + 1] && isInside[i - width] && isInside[i + width])) continue;
      pixels.set([shade, shade, shade, 255], 4 * i);
    }
  }
};

const addSide = (frame, left, right) => {
  frame.append(make("span", left, { class: "side left" }), make("span", right, { class: "side right" }));
};

// Canvases of a strip, made once.
const canvases = (strip, titles, sides) => {
  if (!strip.children.length) {
    titles.forEach((title, number) => {
      const frame = make("div", "", { class: "slice" });
      const [left, right] = sides(number);
      addSide(frame, left, right);
      frame.append(make("canvas"), make("span", title, { class: "mm" }));
      strip.append(frame);
    });
  }
  return [...strip.querySelectorAll("canvas")];
};
const sliceCanvases = (strip) =>
  canvases(strip, data.slicesMm.map((z) => `z = ${mm(z)} mm`), () => ["L", "R"]);

const drawSlices = async (strip, uri, step, colour, colours) => {
  const count = data.slicesMm.length;
  const [under, over] = await Promise.all([load(data.underlay), load(uri)]);
  sliceCanvases(strip).forEach((canvas, number) => {
    const plane = { under: part(under, number, count), underScale: 2, over: part(over, number, count) };
    drawPlane(canvas, { ...plane, overScale: 1 / step, box: data.sliceBox, colour, colours });
  });
};

const drawGlass = async (strip, uris, step, colour, colours) => {
  const unders = await Promise.all(data.glass.map((plane) => load(plane.png)));
  const overs = await Promise.all(uris.map((uri) => load(uri)));
  const sides = [["P", "A"], ["L", "R"], ["L", "R"]];
  const titles = ["from the right", "from behind", "from above"];
  const glass = scheme() === "dark" ? 30 : 238;
  canvases(strip, titles, (number) => sides[number]).forEach((canvas, number) => {
    const plane = { under: unders[number], underScale: 1, over: overs[number], overScale: 1 / step };
    drawPlane(canvas, { ...plane, box: data.glass[number].box, colour, colours, isGlass: true, glass });
  });
};

// ---- Cortical surface ----
// Values of the pixels of a view, averaged over neighbours as between vertices; 0 without a value.
const viewBytes = (picture, values, view) => {
  const { width, height } = data.surface;
  const raw = new Float32Array(width * height);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const place = 4 * (row * picture.width + view * width + column);
      const code = (picture.bytes[place] << 8) | picture.bytes[place + 1];
      raw[row * width + column] = code ? values.bytes[code - 1] : 0;
    }
  }
  const smooth = new Float32Array(raw.length);
  const radius = data.surface.smoothing;
  for (let row = radius; row < height - radius; row += 1) {
    for (let column = radius; column < width - radius; column += 1) {
      const i = row * width + column;
      if (!raw[i]) continue;
      let sum = 0;
      let count = 0;
      for (let j = i - radius * width; j <= i + radius * width; j += width) {
        for (let k = j - radius; k <= j + radius; k += 1) {
          if (raw[k]) {
            sum += raw[k];
            count += 1;
          }
        }
      }
      smooth[i] = sum / count;
    }
  }
  return smooth;
};

const drawView = (canvas, picture, values, view, colour, colours, stride = 1) => {
  const { width, height } = data.surface;
  const bytes = viewBytes(picture, values, view);
  canvas.width = Math.floor(width / stride);
  canvas.height = Math.floor(height / stride);
  const context = canvas.getContext("2d");
  const target = context.createImageData(canvas.width, canvas.height);
  for (let row = 0; row < canvas.height; row += 1) {
    for (let column = 0; column < canvas.width; column += 1) {
      const source = 4 * (row * stride * picture.width + view * width + column * stride);
      const shade = picture.bytes[source + 2];
      if (!shade) continue;
      const place = 4 * (row * canvas.width + column);
      const index = colour(bytes[row * stride * width + column * stride]);
      for (let channel = 0; channel < 3; channel += 1) {
        const light = 0.8 + (0.2 * shade) / 190;
        target.data[place + channel] = index < 0 ? greyOf(shade) : Math.min(255, colours.bytes[index + channel] * light);
      }
      target.data[place + 3] = 255;
    }
  }
  context.putImageData(target, 0, 0);
};

const drawSurface = async (strip, uri, colour, colours) => {
  const [picture, values] = await Promise.all([load(data.surface.png, false), load(uri)]);
  const views = data.surface.views;
  // The ends of a view are anterior and posterior; its hemisphere is its title.
  const sides = (number) => {
    const isLateral = views[number].title.includes("lateral");
    return (views[number].hemisphere === "left") === isLateral ? ["A", "P"] : ["P", "A"];
  };
  const titles = views.map((view) => `${view.hemisphere === "left" ? "L" : "R"}: ${view.title}`);
  canvases(strip, titles, sides).forEach((canvas, number) => {
    drawView(canvas, picture, values, number, colour, colours);
  });
};

// ---- Colour bars ----
const drawScale = (box, { low, high, threshold, units, colours, isSigned }) => {
  if (!box.children.length) box.append(make("canvas"), make("div", "", { class: "ticks" }));
  const [canvas, ticks] = box.children;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Colour bar from ${format(low)} to ${format(high)} ${units}`);
  canvas.width = 512;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(512, 1);
  const grey = greyOf(128);
  for (let i = 0; i < 512; i += 1) {
    const value = low + ((i + 0.5) / 512) * (high - low);
    const byte = isSigned ? 128 + 127 * (value / high) : 1 + 254 * (value / high);
    const index = isSigned
      ? signedColour(byte, 1, threshold / high, colours)
      : 3 * Math.round(byte);
    for (let channel = 0; channel < 3; channel += 1) {
      picture.data[4 * i + channel] = index < 0 ? grey : colours.bytes[index + channel];
    }
    picture.data[4 * i + 3] = 255;
  }
  context.putImageData(picture, 0, 0);
  ticks.textContent = "";
  const isWide = threshold / high > 0.12 && threshold / high < 0.85;
  const inner = !isSigned ? [high / 2] : isWide ? [-threshold, threshold] : [0];
  for (const value of [low, ...inner, high]) {
    const tick = make("span", `${format(value)}${value === high && units ? ` ${units}` : ""}`);
    tick.style.left = `${(100 * (value - low)) / (high - low)}%`;
    ticks.append(tick);
  }
};

// ---- Viewer of maps ----
const viewer = byId("viewer");
// Groups of maps, entries of the first selector: sessions, or kinds of maps of a group of participants.
let groups = [];
const state = { group: 0, contrast: 0, threshold: 0, range: 1, share: data.thresholdShare || 0 };
const maps = () => (groups.length ? groups[state.group].maps : []);
const map = () => maps()[state.contrast];
const isPredicted = () => groups[state.group].isPredicted !== false;
let run = 0;

const byTask = (list) => {
  const groups = new Map();
  list.forEach((item, number) => {
    if (!groups.has(item.task)) groups.set(item.task, []);
    groups.get(item.task).push(number);
  });
  return groups;
};

const fillContrasts = () => {
  const select = byId("contrast");
  select.textContent = "";
  for (const [task, numbers] of byTask(maps())) {
    const group = make("optgroup", "", { label: task });
    numbers.forEach((number) => group.append(option(number, maps()[number].label)));
    select.append(group);
  }
};

// A test's threshold counts until readers choose another one.
const setDefaults = () => {
  const { limit, threshold } = map();
  state.range = limit;
  const hasOwn = threshold !== undefined && state.share === data.thresholdShare;
  state.threshold = hasOwn ? Math.min(threshold, limit) : state.share * limit;
};

const showControls = () => {
  const { limit } = map();
  byId("threshold").value = Math.round((100 * state.threshold) / limit);
  byId("range").value = Math.round((100 * state.range) / limit);
  byId("threshold-number").value = Number(state.threshold.toPrecision(3));
  byId("range-number").value = Number(state.range.toPrecision(3));
  for (const [id, value] of [["threshold", state.threshold], ["range", state.range]]) {
    byId(id).setAttribute("aria-valuetext", `${format(value)} ${map().units}`);
  }
};

const describe = () => {
  const item = map();
  byId("contrast").value = state.contrast;
  byId("map-title").textContent = item.label;
  byId("map-subtitle").textContent = `${item.task} · ${state.contrast + 1} of ${maps().length} · ${isPredicted() ? "predicted" : groups[state.group].name} · units: ${item.units}`;
  byId("map-warning").hidden = !item.warning;
  byId("map-warning-text").textContent = item.warning;
  const list = byId("map-facts");
  list.textContent = "";
  for (const [name, text] of item.facts) {
    const pair = make("div");
    pair.append(make("dt", name), make("dd", text));
    list.append(pair);
  }
  for (const [id, name] of [["map-slices", "Axial slices"], ["map-glass", "Glass brain"], ["map-surface", "Cortical surface"]]) {
    byId(id).setAttribute("aria-label", isPredicted() ? `${name} of the predicted map ${item.label}` : `${name} of ${item.label}, ${groups[state.group].name}`);
  }
  document.querySelectorAll("#overview button").forEach((button) => {
    button.setAttribute("aria-pressed", String(Number(button.dataset.number) === state.contrast));
  });
};

const draw = async () => {
  const item = map();
  const ticket = (run += 1);
  viewer.dataset.shown = "";
  const colours = table(scheme());
  const gain = item.limit / state.range;
  const threshold = state.threshold / item.limit;
  const colour = (byte) => signedColour(byte, gain, threshold, colours);
  showControls();
  drawScale(byId("map-scale"), {
    low: -state.range, high: state.range, threshold: state.threshold, units: item.units, colours, isSigned: true,
  });
  // All images are decoded first, so that a later choice is never overdrawn by an earlier one.
  await Promise.all([item.slices, item.surface, ...item.glass, ...(item.sd ? [item.sd.png] : [])].map((uri) => load(uri)));
  if (ticket !== run) return;
  const parts = [
    drawSlices(byId("map-slices"), item.slices, item.step, colour, colours),
    drawGlass(byId("map-glass"), item.glass, item.step, colour, colours),
    drawSurface(byId("map-surface"), item.surface, colour, colours),
  ];
  byId("sd-part").hidden = !item.sd;
  if (item.sd) parts.push(drawDeviation(item));
  await Promise.all(parts);
  if (ticket === run) viewer.dataset.shown = item.label;
};

const drawDeviation = (item) => {
  const colours = table("sd");
  byId("sd-meaning").textContent = item.sd.meaning;
  byId("sd-slices").setAttribute("aria-label", `Standard deviation ${item.sd.meaning}, on axial slices`);
  drawScale(byId("sd-scale"), { low: 0, high: item.sd.limit, threshold: 0, units: item.units, colours, isSigned: false });
  return drawSlices(byId("sd-slices"), item.sd.png, 2 * item.step, (byte) => (byte ? 3 * Math.round(byte) : -1), colours);
};

const announce = () => {
  const item = map();
  const warning = item.warning ? ` Warning: ${item.warning}` : "";
  byId("announcement").textContent =
    `${item.label}, contrast ${state.contrast + 1} of ${maps().length}. Values below ${format(state.threshold)} are hidden; ` +
    `colours end at ${format(state.range)} ${item.units}.${warning}`;
};

const select = (number, canKeep = true) => {
  const count = maps().length;
  state.contrast = (number + count) % count;
  if (!canKeep || !byId("keep").checked) setDefaults();
  describe();
  announce();
  return draw();
};

const selectGroup = (number) => {
  const label = map() ? map().label : "";
  const units = map() ? map().units : "";
  state.group = number;
  const { explanation } = groups[number];
  byId("group-explanation").hidden = !explanation;
  byId("group-explanation").textContent = explanation || "";
  fillContrasts();
  fillOverview();
  const same = Math.max(maps().findIndex((item) => item.label === label), 0);
  // Values are kept between maps of equal units only.
  return select(same, maps()[same].units === units);
};

// Shows other groups of maps, with the first group and, if there is one, the same contrast.
const showGroups = (others) => {
  const label = map() ? map().label : "";
  groups = others.filter((group) => group.maps.length);
  viewer.hidden = byId("overview-part").hidden = !groups.length;
  const selector = viewer.querySelector(".group-select");
  selector.textContent = "";
  groups.forEach((group, number) => selector.append(option(number, group.name)));
  viewer.querySelector(".group-line").hidden = groups.length < 2;
  if (!groups.length) return null;
  state.group = 0;
  state.contrast = Math.max(maps().findIndex((item) => item.label === label), 0);
  return selectGroup(0);
};

const setThreshold = (value) => {
  state.threshold = Math.min(Math.max(value || 0, 0), map().limit);
  state.share = state.threshold / map().limit;
  draw();
};
const setRange = (value) => {
  if (!(value > 0)) return;
  state.range = Math.min(Math.max(value, 0.01 * map().limit), map().limit);
  draw();
};

const connectControls = () => {
  viewer.querySelector(".group-select").addEventListener("change", (event) => selectGroup(Number(event.target.value)));
  byId("contrast").addEventListener("change", (event) => select(Number(event.target.value)));
  byId("previous").addEventListener("click", () => select(state.contrast - 1));
  byId("next").addEventListener("click", () => select(state.contrast + 1));
  byId("threshold").addEventListener("input", (event) => setThreshold((event.target.value / 100) * map().limit));
  byId("range").addEventListener("input", (event) => setRange((event.target.value / 100) * map().limit));
  byId("threshold-number").addEventListener("change", (event) => setThreshold(Number(event.target.value)));
  byId("range-number").addEventListener("change", (event) => setRange(Number(event.target.value)));
  byId("reset").addEventListener("click", () => {
    state.share = data.thresholdShare;
    setDefaults();
    draw();
  });
  const keys = {
    ArrowRight: () => select(state.contrast + 1), n: () => select(state.contrast + 1),
    ArrowLeft: () => select(state.contrast - 1), p: () => select(state.contrast - 1),
    Home: () => select(0), End: () => select(maps().length - 1),
    "+": () => setThreshold(state.threshold + 0.05 * map().limit),
    "-": () => setThreshold(state.threshold - 0.05 * map().limit),
  };
  viewer.addEventListener("keydown", (event) => {
    // Only the viewer itself: controls inside it keep their keys.
    if (event.target !== viewer || event.ctrlKey || event.altKey || event.metaKey || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  byId("map-slices").addEventListener("pointermove", readValue);
  byId("map-slices").addEventListener("pointerleave", () => {
    byId("map-readout").textContent = "";
  });
};

// Position and value under the pointer.
const readValue = async (event) => {
  if (event.target.tagName !== "CANVAS") return;
  const number = [...byId("map-slices").querySelectorAll("canvas")].indexOf(event.target);
  const item = map();
  const slice = part(await load(item.slices), number, data.slicesMm.length);
  const box = event.target.getBoundingClientRect();
  const [firstColumn, firstRow, nColumns, nRows] = data.sliceBox;
  const column = firstColumn + Math.floor(((event.clientX - box.left) / box.width) * nColumns);
  const row = firstRow + Math.floor(((event.clientY - box.top) / box.height) * nRows);
  const byte = interpolate(slice, column / item.step, row / item.step);
  const value = byte ? `${format(((byte - 128) / 127) * item.limit, 2)} ${item.units}` : "no value";
  byId("map-readout").textContent = `x = ${mm(-90 + 2 * column)}, y = ${mm(90 - 2 * row)}, z = ${mm(data.slicesMm[number])} mm: ${value}`;
};

// ---- Overview ----
const fillOverview = () => {
  const box = byId("overview");
  box.textContent = "";
  for (const [task, numbers] of byTask(maps())) {
    const list = make("ul");
    numbers.forEach((number) => {
      const item = maps()[number];
      const button = make("button", "", { type: "button", "aria-pressed": "false", "data-number": number });
      const words = make("span");
      // Lines may break before capitals.
      item.label.split(/(?=[A-Z])/).forEach((word, place) => words.append(...(place ? [make("wbr")] : []), word));
      button.append(make("canvas", "", { "aria-hidden": "true" }), words);
      button.addEventListener("click", async () => {
        await select(number);
        viewer.scrollIntoView({ block: "start" });
        viewer.focus({ preventScroll: true });
      });
      const entry = make("li");
      entry.append(button);
      list.append(entry);
    });
    box.append(make("h4", task), list);
  }
  drawOverview();
};

let overviewRun = 0;
const drawOverview = async () => {
  const ticket = (overviewRun += 1);
  const box = byId("overview");
  box.dataset.drawn = "";
  const picture = await load(data.surface.png, false);
  const buttons = [...box.querySelectorAll("button canvas")];
  const order = [...byTask(maps()).values()].flat();
  const half = make("canvas");
  for (let i = 0; i < buttons.length; i += 1) {
    const item = maps()[order[i]];
    const values = await load(item.surface);
    if (ticket !== overviewRun) return;
    const colours = table(scheme());
    const colour = (byte) => signedColour(byte, 1, data.thresholdShare, colours);
    const { width, height } = data.surface;
    buttons[i].width = width;
    buttons[i].height = Math.floor(height / 2);
    const context = buttons[i].getContext("2d");
    [0, data.surface.views.length - 1].forEach((view, side) => {
      drawView(half, picture, values, view, colour, colours, 2);
      context.drawImage(half, (side * width) / 2, 0);
    });
  }
  box.dataset.drawn = "true";
};

const startViewer = () => {
  connectControls();
  onRepaint(() => {
    if (!groups.length) return;
    draw();
    drawOverview();
  });
};
