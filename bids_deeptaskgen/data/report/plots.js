// ---- Plots on canvases ----
const PALETTES = {
  light: {
    ink: "#1c2127", soft: "#4f5963", line: "#d5dae0", band: "#dbe6f3", point: "#0b57a4", outlier: "#c25700",
    warn: "#9a6700", fail: "#b3261e", mark: "#b3127d", page: "#ffffff",
  },
  dark: {
    ink: "#e6e9ed", soft: "#a9b3be", line: "#37414c", band: "#22364c", point: "#86bdf8", outlier: "#ffab5e",
    warn: "#ffd27a", fail: "#ff9d94", mark: "#ff7ad1", page: "#0b0e11",
  },
};
const palette = () => PALETTES[scheme()];
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
// Colours of categories: Okabe and Ito, safe for colour-blind readers; light pages have darker ones.
const CATEGORIES = {
  light: ["#0072b2", "#d55e00", "#007a5a", "#b0418a", "#8a6d00", "#3b3b3b", "#1f8fc4", "#7a3e9d"],
  dark: ["#56b4e9", "#e69f00", "#2fd4a3", "#f09bd0", "#f0e442", "#d0d0d0", "#8fb8ff", "#c9a2f0"],
};

// Whole numbers keep all digits; others have three.
const figure = (value) =>
  Number.isInteger(value) ? value.toLocaleString("en-US").replace("-", "\u2212") : format(value);

// Plots by their frame. A plot is {render, mark}.
const plots = new Map();

// Draws a plot in a frame. `draw(context, width, height)` returns {pick(x, y), mark(context)}: what is under the
// pointer as {words, participant}, and the drawing of the highlighted participant on a canvas above.
const makePlot = (frame, { height, label, draw }) => {
  frame.textContent = "";
  const box = make("div", "", { class: "plot", role: "img", "aria-label": label });
  const base = make("canvas");
  const above = make("canvas");
  const tip = make("span", "", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  box.append(base, above, tip);
  frame.append(box);
  let layer = null;
  let size = [0, 0];
  const context = (canvas) => {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(size[0] * ratio);
    canvas.height = Math.round(size[1] * ratio);
    const result = canvas.getContext("2d");
    result.setTransform(ratio, 0, 0, ratio, 0, 0);
    result.font = FONT;
    return result;
  };
  const mark = () => {
    if (!layer || !layer.mark) return;
    layer.mark(context(above), size[0], size[1]);
  };
  const render = () => {
    const width = box.clientWidth;
    if (!width) return;
    size = [width, typeof height === "function" ? height(width) : height];
    const target = context(base);
    layer = draw(target, ...size);
    // On paper there is one canvas: browsers print the transparent one above as white.
    if (isPrinting && layer.mark) layer.mark(target, ...size);
    mark();
  };
  const pick = (event) => {
    const place = box.getBoundingClientRect();
    const scale = size[0] / place.width;
    return layer && layer.pick ? layer.pick((event.clientX - place.left) * scale, (event.clientY - place.top) * scale) : null;
  };
  box.addEventListener("pointermove", (event) => {
    const item = pick(event);
    tip.hidden = !item;
    box.classList.toggle("can-pick", Boolean(item && item.participant >= 0));
    if (!item) return;
    tip.textContent = item.words;
    const place = box.getBoundingClientRect();
    const x = event.clientX - place.left;
    tip.style.left = `${x}px`;
    tip.style.top = `${event.clientY - place.top}px`;
    tip.classList.toggle("to-left", x > place.width / 2);
  });
  box.addEventListener("pointerleave", () => { tip.hidden = true; });
  box.addEventListener("click", (event) => {
    const item = pick(event);
    if (item && item.participant >= 0) selectNumber(item.participant);
  });
  const plot = { render, mark };
  plots.set(frame, plot);
  render();
  return plot;
};

const dropPlot = (frame) => {
  plots.delete(frame);
  frame.textContent = "";
};
const renderPlots = () => plots.forEach((plot) => plot.render());
const markPlots = () => plots.forEach((plot) => plot.mark());

// Round values for an axis.
const tickValues = (low, high, count) => {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((value) => value >= rough * 0.999);
  const values = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1) values.push(Number((k * step).toPrecision(10)));
  return values;
};

// As many round values as have space for their words below an axis.
const fittingTicks = (context, low, high, width) => {
  for (let count = Math.max(2, Math.floor(width / 45)); count > 1; count -= 1) {
    const values = tickValues(low, high, count);
    const longest = Math.max(...values.map((value) => context.measureText(format(value, 6)).width));
    if (values.length < 2 || (longest + 10) * (high - low) <= width * (values[1] - values[0])) return values;
  }
  return tickValues(low, high, 1);
};

// Range of numbers with a margin; [0, 1] without any.
const rangeOf = (values, share = 0.04) => {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const margin = (high - low || Math.abs(high) || 1) * share;
  return [low - margin, high + margin];
};
const quantile = (sorted, share) => {
  const place = (sorted.length - 1) * share;
  const below = Math.floor(place);
  const next = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (place - below) * (sorted[next] - sorted[below]);
};
const isNumeric = (value) => typeof value === "number" && Number.isFinite(value);
const sortedNumbers = (values) => Float64Array.from(values.filter(isNumeric)).sort();

// Numbers of the rows that are drawn: all, or a sample and all of `extra`.
const sampled = (count, extra = []) => {
  if (count <= data.maxPoints) return [...Array(count).keys()];
  const step = count / data.maxPoints;
  const rows = new Set(extra);
  for (let k = 0; k < data.maxPoints; k += 1) rows.add(Math.floor(k * step));
  return [...rows].sort((a, b) => a - b);
};
const sampleWords = (count) =>
  count > data.maxPoints ? `Plots show a sample of ${figure(data.maxPoints)} of ${figure(count)} points, all outliers and the highlighted participant.` : "";

const circle = (context, x, y, radius) => {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
};
const triangle = (context, x, y, radius) => {
  context.beginPath();
  context.moveTo(x, y - radius);
  context.lineTo(x + radius, y + 0.8 * radius);
  context.lineTo(x - radius, y + 0.8 * radius);
  context.closePath();
};
const line = (context, x0, y0, x1, y1, colour, width = 1, dash = []) => {
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
  context.restore();
};
const write = (context, text, x, y, colour, align = "center", baseline = "alphabetic") => {
  context.fillStyle = colour;
  context.textAlign = align;
  context.textBaseline = baseline;
  context.fillText(text, x, y);
};

// A ring around a point with the participant's name, readable on any background.
const ring = (context, x, y, name, width) => {
  const { mark, page } = palette();
  context.lineWidth = 5;
  context.strokeStyle = page;
  circle(context, x, y, 6.5);
  context.stroke();
  context.lineWidth = 2.5;
  context.strokeStyle = mark;
  circle(context, x, y, 6.5);
  context.stroke();
  if (!name) return;
  const align = x > width / 2 ? "right" : "left";
  const place = x + (align === "left" ? 12 : -12);
  context.font = `600 ${FONT}`;
  context.lineWidth = 4;
  context.strokeStyle = page;
  context.textAlign = align;
  context.textBaseline = "middle";
  context.strokeText(name, place, y);
  write(context, name, place, y, mark, align, "middle");
};

const nearest = (points, x, y, reach = 14) => {
  let best = null;
  let least = reach * reach;
  for (const point of points) {
    const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
    if (distance < least) {
      least = distance;
      best = point;
    }
  }
  return best;
};

// A plane with axes: returns functions from values to pixels.
const drawAxes = (context, width, height, { x, y, xLabel, yLabel }) => {
  const { soft, line: grid } = palette();
  const box = { left: 58, right: width - 12, top: 10, bottom: height - 42 };
  const px = (value) => box.left + ((value - x[0]) / (x[1] - x[0])) * (box.right - box.left);
  const py = (value) => box.bottom - ((value - y[0]) / (y[1] - y[0])) * (box.bottom - box.top);
  for (const value of fittingTicks(context, x[0], x[1], box.right - box.left)) {
    line(context, px(value), box.top, px(value), box.bottom, grid);
    write(context, format(value, 6), px(value), box.bottom + 6, soft, "center", "top");
  }
  for (const value of tickValues(y[0], y[1], Math.max(2, Math.floor(height / 55)))) {
    line(context, box.left, py(value), box.right, py(value), grid);
    write(context, format(value, 6), box.left - 7, py(value), soft, "right", "middle");
  }
  write(context, xLabel, (box.left + box.right) / 2, height - 4, soft, "center", "bottom");
  context.save();
  context.translate(11, (box.top + box.bottom) / 2);
  context.rotate(-Math.PI / 2);
  write(context, yLabel, 0, 0, soft, "center", "middle");
  context.restore();
  return { px, py, box };
};

// Points of participants on a plane. `numbers[row]` is the participant of a row.
const drawScatter = (context, width, height, { xs, ys, numbers, names, xLabel, yLabel, colourOf, extra = [] }) => {
  const { px, py } = drawAxes(context, width, height, { x: rangeOf(xs), y: rangeOf(ys), xLabel, yLabel });
  const points = [];
  const radius = xs.length > 400 ? 2.6 : 4;
  const shade = palette();
  const isExtra = new Set(extra);
  context.globalAlpha = xs.length > 400 ? 0.6 : 0.8;
  for (const row of sampled(xs.length, extra)) {
    if (!isNumeric(xs[row]) || !isNumeric(ys[row])) continue;
    const point = { x: px(xs[row]), y: py(ys[row]), row };
    points.push(point);
    context.fillStyle = colourOf ? colourOf(row) : isExtra.has(row) ? shade.outlier : shade.point;
    if (isExtra.has(row)) triangle(context, point.x, point.y, radius + 1.5);
    else circle(context, point.x, point.y, radius);
    context.fill();
  }
  context.globalAlpha = 1;
  return {
    pick: (x, y) => {
      const point = nearest(points, x, y);
      if (!point) return null;
      const { row } = point;
      return { words: `${names[row]}: ${figure(xs[row])}, ${figure(ys[row])}`, participant: numbers[row] };
    },
    mark: (top) => {
      numbers.forEach((number, row) => {
        if (number !== selection.number || !isNumeric(xs[row]) || !isNumeric(ys[row])) return;
        ring(top, px(xs[row]), py(ys[row]), names[row], width);
      });
    },
  };
};

// Bytes that `group_page_data.pack` stored, as numbers.
const unpack = ({ low, high, bytes }) => {
  const text = atob(bytes);
  const values = new Float64Array(text.length);
  for (let k = 0; k < text.length; k += 1) {
    const code = text.charCodeAt(k);
    values[k] = code ? low + ((code - 1) / 254) * (high - low) : NaN;
  }
  return values;
};
