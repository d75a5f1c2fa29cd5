"use strict";
(() => {
  // ---- Words, numbers, images -------------------------------------------------------------------------------
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

  // ---- Colours ----------------------------------------------------------------------------------------------
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

  // ---- Drawing of slices and projections --------------------------------------------------------------------
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

  // ---- Cortical surface -------------------------------------------------------------------------------------
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

  // ---- Colour bars ------------------------------------------------------------------------------------------
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

  // ---- Viewer of maps ---------------------------------------------------------------------------------------
  const viewer = byId("viewer");
  const state = { session: 0, contrast: 0, threshold: 0, range: 1, share: data.thresholdShare || 0 };
  const sessionsWithMaps = data.sessions.map((session, number) => number).filter((number) => data.sessions[number].maps.length);
  const maps = () => data.sessions[state.session].maps;
  const map = () => maps()[state.contrast];
  let run = 0;

  const option = (value, text) => make("option", text, { value });
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

  const setDefaults = () => {
    state.range = map().limit;
    state.threshold = state.share * map().limit;
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
    byId("map-subtitle").textContent = `${item.task} · ${state.contrast + 1} of ${maps().length} · predicted · units: ${item.units}`;
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
      byId(id).setAttribute("aria-label", `${name} of the predicted map ${item.label}`);
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

  const select = (number) => {
    const count = maps().length;
    state.contrast = (number + count) % count;
    if (!byId("keep").checked) setDefaults();
    describe();
    announce();
    return draw();
  };

  const selectSession = (number) => {
    const label = map() ? map().label : "";
    state.session = number;
    fillContrasts();
    fillOverview();
    const same = maps().findIndex((item) => item.label === label);
    return select(Math.max(same, 0));
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

  // ---- Overview ---------------------------------------------------------------------------------------------
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

  // ---- Connectome -------------------------------------------------------------------------------------------
  const connectome = { session: 0, row: 0, column: 1 };
  const current = () => data.sessions[connectome.session].connectome;

  const drawMatrix = () => {
    const { matrix } = current();
    const canvas = byId("matrix");
    const cell = Math.max(1, Math.round(480 / matrix.length));
    canvas.width = canvas.height = cell * matrix.length;
    const context = canvas.getContext("2d");
    const colours = table(scheme());
    matrix.forEach((values, row) => {
      values.forEach((value, column) => {
        const index = value === null ? -1 : signedColour(128 + 127 * value, 1, 0, colours);
        const [red, green, blue] = index < 0 ? [128, 128, 128] : colours.bytes.slice(index, index + 3);
        context.fillStyle = `rgb(${red} ${green} ${blue})`;
        context.fillRect(column * cell, row * cell, cell, cell);
      });
    });
    context.strokeStyle = getComputedStyle(document.body).color;
    context.lineWidth = 2;
    context.strokeRect(connectome.column * cell, connectome.row * cell, cell, cell);
  };

  const moveTo = (row, column) => {
    const { matrix, names } = current();
    const count = matrix.length;
    connectome.row = Math.min(Math.max(row, 0), count - 1);
    connectome.column = Math.min(Math.max(column, 0), count - 1);
    const value = matrix[connectome.row][connectome.column];
    byId("matrix-readout").textContent = `${names[connectome.row]} and ${names[connectome.column]}: r = ${format(value, 2)}`;
    drawMatrix();
  };

  const showSeed = async (roi) => {
    const { maps: seeds, names, step } = current();
    byId("seed-figure").hidden = !seeds.length;
    if (!seeds.length) return;
    byId("roi").value = roi;
    const colours = table(scheme());
    const threshold = Math.min(Math.max(Number(byId("roi-threshold").value) || 0, 0), 1);
    byId("seed-slices").setAttribute("aria-label", `Correlation of ${names[roi]} with all voxels, on axial slices`);
    byId("seed-caption").textContent = `Pearson correlation of ${names[roi]} with all voxels.`;
    drawScale(byId("seed-scale"), { low: -1, high: 1, threshold, units: "r", colours, isSigned: true });
    await drawSlices(byId("seed-slices"), seeds[roi], step, (byte) => signedColour(byte, 1, threshold, colours), colours);
    byId("seed-slices").dataset.shown = names[roi];
  };

  const selectConnectome = (number) => {
    connectome.session = number;
    const roi = byId("roi");
    roi.textContent = "";
    current().names.forEach((name, index) => roi.append(option(index, name)));
    moveTo(0, 1);
    return showSeed(0);
  };

  const connectMatrix = () => {
    const frame = byId("matrix-frame");
    const canvas = byId("matrix");
    const cellAt = (event) => {
      const box = canvas.getBoundingClientRect();
      const count = current().matrix.length;
      return [event.clientY - box.top, event.clientX - box.left].map((offset, axis) =>
        Math.floor((offset / (axis ? box.width : box.height)) * count));
    };
    canvas.addEventListener("pointermove", (event) => moveTo(...cellAt(event)));
    canvas.addEventListener("click", (event) => {
      moveTo(...cellAt(event));
      showSeed(connectome.row);
    });
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    frame.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      if (event.key === "Enter") showSeed(connectome.row);
      else if (steps[event.key]) moveTo(connectome.row + steps[event.key][0], connectome.column + steps[event.key][1]);
      else return;
      event.preventDefault();
    });
    byId("roi").addEventListener("change", (event) => showSeed(Number(event.target.value)));
    byId("roi-threshold").addEventListener("change", () => showSeed(Number(byId("roi").value)));
  };

  // ---- Start ------------------------------------------------------------------------------------------------
  const fillSessions = (select, line, numbers, action) => {
    numbers.forEach((number) => select.append(option(number, data.sessions[number].name)));
    line.hidden = numbers.length < 2;
    select.addEventListener("change", (event) => action(Number(event.target.value)));
  };

  const startMaps = async () => {
    viewer.hidden = byId("overview-part").hidden = false;
    fillSessions(byId("session"), byId("session-line"), sessionsWithMaps, selectSession);
    connectControls();
    state.session = sessionsWithMaps[0];
    await selectSession(state.session);
    byId("announcement").textContent = "";
  };

  const startConnectome = async (numbers) => {
    byId("connectome-viewer").hidden = false;
    fillSessions(byId("connectome-session"), byId("connectome-session-line"), numbers, selectConnectome);
    connectMatrix();
    await selectConnectome(numbers[0]);
  };

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

  const withConnectome = data.sessions.map((session, number) => number).filter((number) => data.sessions[number].connectome);
  const redraw = () => {
    if (sessionsWithMaps.length) {
      draw();
      drawOverview();
    }
    if (withConnectome.length) {
      drawMatrix();
      showSeed(Number(byId("roi").value) || 0);
    }
  };
  dark.addEventListener("change", redraw);
  // Paper is light. Images are decoded already, so the canvases are redrawn before the page is printed.
  for (const [name, value] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(name, () => {
      isPrinting = value;
      if (dark.matches) redraw();
    });
  }

  const start = async () => {
    startNavigation();
    if (byId("methods-text")) startCopy();
    await Promise.all([
      sessionsWithMaps.length ? startMaps() : null,
      withConnectome.length ? startConnectome(withConnectome) : null,
    ]);
    document.documentElement.dataset.ready = "true";
  };
  start();
})();
