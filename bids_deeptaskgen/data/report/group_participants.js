// ---- Participants: table, card, distributions, outliers ----
const metricNumbers = () => set().columns.map((column, number) => number).filter((number) => set().columns[number].isMetric && set().cells[number].some(isNumeric));
// Equal values need no plot.
const isVaried = (number) => new Set(set().cells[number].filter((value) => value !== null)).size > 1;
const columnTitle = ({ title, unit }) => (unit ? `${title} (${unit})` : title);

// A button that highlights the participant of a row, and a link to the page.
const rowLead = (row) => {
  const { name, participant, page } = set().rows;
  const button = make("button", name[row], { type: "button", class: "link", title: "highlight in all plots" });
  button.addEventListener("click", () => selectNumber(participant[row]));
  const link = pageLink(page[row], "page");
  if (link) link.setAttribute("aria-label", `page of ${name[row]}`);
  return link ? [button, " ", link] : [button];
};

let participantsTable = null;
let outliersTable = null;
const showParticipants = () => {
  const box = byId("participants-table");
  if (!box) return;
  const { rows, cells, columns, outliers, participants } = set();
  const unusual = unusualCells();
  participantsTable = makeTable(box, {
    title: "Participants",
    columns: [{ title: "Participant", description: "" }, ...columns],
    rows: rows.name.map((name, row) => [name, ...cells.map((column) => column[row])]),
    participants: rows.participant,
    lead: rowLead,
    isUnusual: (row, column) => column > 0 && unusual.has(`${row} ${column - 1}`),
    withFilter: true,
  });
  if (!byId("outliers")) return;
  const kept = outliers.filter(([row]) => row >= 0);
  byId("outliers").textContent = "";
  outliersTable = null;
  if (!kept.length) byId("outliers").append(make("p", "No value has a robust z beyond 3.5. Metrics of fewer than 10 sessions are not judged."));
  else {
    outliersTable = makeTable(byId("outliers"), {
      title: "Outliers",
      columns: [
        { title: "Participant" }, { title: "Metric" }, { title: "Value", isNumber: true },
        { title: "Robust z", isNumber: true, description: "Distance from the median, in units of the median absolute deviation scaled to a standard deviation." },
      ],
      rows: kept.map(([row, measure, value, z]) => [rows.name[row], measure, value, z]),
      participants: kept.map(([row]) => rows.participant[row]),
      lead: (place) => rowLead(kept[place][0]),
      withFilter: participants.length > 50,
    });
  }
};

// Rank of a value among numbers, as words.
const rankWords = (sorted, value) => {
  if (!isNumeric(value)) return "";
  let rank = 1;
  for (const other of sorted) if (other < value) rank += 1;
  return `${figure(rank)} of ${figure(sorted.length)}`;
};

// All values of the highlighted participant beside those of the group.
const MAX_CARD_ROWS = 4;
const showCard = () => {
  const box = byId("card");
  if (!box) return;
  const { number, name } = selection;
  box.hidden = !name;
  box.textContent = "";
  if (!name) return;
  box.append(make("h3", name));
  for (const reason of reasonsOf(name)) box.append(make("p", reason, { class: "small" }));
  const rows = number >= 0 ? rowsByNumber[number] : [];
  if (!rows.length) {
    box.append(make("p", set().isSample ? "No row on this page." : "No maps in this set."));
    return;
  }
  const { columns, cells, rows: all } = set();
  const unusual = unusualCells();
  const shown = rows.slice(0, MAX_CARD_ROWS);
  const element = make("table");
  const top = make("tr");
  top.append(make("th", "Metric", { scope: "col" }));
  shown.forEach((row) => top.append(make("th", shown.length > 1 ? all.name[row] : "Value", { scope: "col", class: "number" })));
  top.append(make("th", "Rank", { scope: "col", class: "number" }), make("th", "Median of all (5% to 95%)", { scope: "col", class: "number" }));
  const head = make("thead");
  head.append(top);
  const body = make("tbody");
  const isUnusual = (place) => shown.some((row) => unusual.has(`${row} ${place}`));
  const order = [...columns.keys()].sort((a, b) => isUnusual(b) - isUnusual(a));
  order.forEach((place) => {
    const column = columns[place];
    const line = make("tr");
    line.append(make("th", columnTitle(column), { scope: "row" }));
    shown.forEach((row) => {
      const value = cells[place][row];
      const isOutlier = unusual.has(`${row} ${place}`);
      const cell = make("td", value === null ? "n/a" : isNumeric(value) ? figure(value) : value, { class: isOutlier ? "number unusual" : "number" });
      if (isOutlier) cell.prepend(make("span", "\u25b2 ", { "aria-hidden": "true" }), make("span", "outlier ", { class: "visually-hidden" }));
      line.append(cell);
    });
    const sorted = sortedNumbers(cells[place]);
    const hasRank = column.isNumber && sorted.length;
    line.append(
      make("td", hasRank ? shown.map((row) => rankWords(sorted, cells[place][row])).filter(Boolean).join("; ") : "", { class: "number" }),
      make("td", hasRank ? `${figure(quantile(sorted, 0.5))} (${figure(quantile(sorted, 0.05))} to ${figure(quantile(sorted, 0.95))})` : "", { class: "number" }),
    );
    body.append(line);
  });
  element.append(make("caption", `Values of ${name} and of the group`, { class: "visually-hidden" }), head, body);
  const frame = make("div", "", { class: "scroll card-frame", tabindex: "0", role: "group", "aria-label": `Values of ${name}` });
  frame.append(element);
  box.append(frame);
};

// ---- Distributions ----
const STRIP_HEIGHT = 118;

// Heights of points that stand one above the other where values are frequent, from -1 to 1.
const stack = (pixels, width, space, radius) => {
  const counts = new Map();
  const places = pixels.map((x) => {
    const bin = Math.round(x / (2 * radius));
    const count = counts.get(bin) || 0;
    counts.set(bin, count + 1);
    return count;
  });
  const most = Math.max(1, ...counts.values());
  const step = Math.min(2 * radius, (2 * space) / most);
  return places.map((count) => (count % 2 ? 1 : -1) * Math.ceil(count / 2) * step);
};

const stripLabel = (column, sorted, nMissing, nOutliers) => {
  const words = sorted.length
    ? `${sorted.length} values, median ${figure(quantile(sorted, 0.5))}, from ${figure(sorted[0])} to ${figure(sorted[sorted.length - 1])}, middle half from ${figure(quantile(sorted, 0.25))} to ${figure(quantile(sorted, 0.75))}`
    : "no values";
  return `Distribution of ${columnTitle(column)}: ${words}; ${nOutliers} outliers; ${nMissing} without a value.`;
};

const drawStrip = (number, outlierRows) => (context, width, height) => {
  const { columns, cells, rows } = set();
  const column = columns[number];
  const values = cells[number];
  const shade = palette();
  const sorted = sortedNumbers(values);
  const limits = [...Object.values(column.warn), ...Object.values(column.fail)];
  const [low, high] = rangeOf([sorted[0], sorted[sorted.length - 1]]);
  const box = { left: 10, right: width - 10, top: 8, bottom: height - 24 };
  const middle = (box.top + box.bottom) / 2;
  const px = (value) => box.left + ((value - low) / (high - low)) * (box.right - box.left);
  context.fillStyle = shade.band;
  const [first, median, third] = [0.25, 0.5, 0.75].map((share) => px(quantile(sorted, share)));
  context.fillRect(first, box.top, Math.max(third - first, 2), box.bottom - box.top);
  line(context, median, box.top, median, box.bottom, shade.soft, 2);
  line(context, box.left, box.bottom + 0.5, box.right, box.bottom + 0.5, shade.line);
  for (const value of fittingTicks(context, low, high, width - 20)) {
    line(context, px(value), box.bottom, px(value), box.bottom + 4, shade.soft);
    const words = format(value, 6);
    const half = context.measureText(words).width / 2;
    if (px(value) >= half && px(value) <= width - half) write(context, words, px(value), box.bottom + 7, shade.soft, "center", "top");
  }
  for (const [level, sides, dash] of [["warn", column.warn, [5, 3]], ["fail", column.fail, []]]) {
    for (const value of Object.values(sides)) {
      if (value >= low && value <= high) line(context, px(value), box.top - 4, px(value), box.bottom, shade[level], 1.8, dash);
    }
  }
  const isOutlier = new Set(outlierRows);
  const drawn = sampled(values.length, outlierRows).filter((row) => isNumeric(values[row]));
  const radius = drawn.length > 300 ? 2 : 3.2;
  const xs = drawn.map((row) => px(values[row]));
  const heights = stack(xs, width, (box.bottom - box.top) / 2 - 5, radius);
  const points = drawn.map((row, place) => ({ row, x: xs[place], y: middle + heights[place] }));
  const byRow = new Map(points.map((point) => [point.row, point]));
  context.globalAlpha = drawn.length > 300 ? 0.6 : 0.85;
  context.fillStyle = shade.point;
  for (const point of points) {
    if (isOutlier.has(point.row)) continue;
    circle(context, point.x, point.y, radius);
    context.fill();
  }
  context.globalAlpha = 1;
  context.fillStyle = shade.outlier;
  for (const point of points) {
    if (!isOutlier.has(point.row)) continue;
    triangle(context, point.x, point.y, radius + 2);
    context.fill();
  }
  const beyond = limits.filter((value) => value < low || value > high).length;
  return {
    beyond,
    pick: (x, y) => {
      const point = nearest(points, x, y);
      return point ? { words: `${rows.name[point.row]}: ${figure(values[point.row])}${column.unit ? ` ${column.unit}` : ""}`, participant: rows.participant[point.row] } : null;
    },
    mark: (top, plotWidth) => {
      if (selection.number < 0) return;
      const own = rowsByNumber[selection.number].filter((row) => isNumeric(values[row]));
      for (const row of own) {
        const point = byRow.get(row) || { x: px(values[row]), y: middle };
        line(top, point.x, box.top - 4, point.x, box.bottom, palette().mark, 1.5);
        ring(top, point.x, point.y, own.length === 1 ? figure(values[row]) : "", plotWidth);
      }
    },
  };
};

const showStrips = () => {
  const box = byId("strips");
  if (!box) return;
  [...plots.keys()].filter((frame) => box.contains(frame)).forEach(dropPlot);
  box.textContent = "";
  const { columns, cells } = set();
  const unusual = unusualCells();
  byId("quality-legend").hidden = false;
  byId("quality-sample").textContent = sampleWords(set().rows.name.length);
  for (const number of metricNumbers().filter(isVaried)) {
    const column = columns[number];
    const rows = [...cells[number].keys()].filter((row) => unusual.has(`${row} ${number}`));
    const sorted = sortedNumbers(cells[number]);
    const nMissing = cells[number].length - sorted.length;
    const part = make("figure", "", { class: "strip-plot" });
    const title = make("h3", column.title);
    if (column.unit) title.append(make("span", ` ${column.unit}`, { class: "unit" }));
    const frame = make("div");
    const notes = [
      `Median ${figure(quantile(sorted, 0.5))}`,
      column.limits,
      rows.length ? `${figure(rows.length)} outlier${rows.length > 1 ? "s" : ""}` : "",
      nMissing ? `${figure(nMissing)} without a value` : "",
    ];
    part.append(title, frame, make("figcaption", notes.filter(Boolean).join("; ")));
    box.append(part);
    makePlot(frame, { height: STRIP_HEIGHT, label: stripLabel(column, sorted, nMissing, rows.length), draw: drawStrip(number, rows) });
  }
  const equal = metricNumbers().filter((number) => !isVaried(number));
  const list = byId("equal-values");
  byId("equal-part").hidden = !equal.length;
  list.replaceChildren(...equal.map((number) => {
    const pair = make("div");
    const { title, unit, limits } = columns[number];
    const value = figure(cells[number].find(isNumeric));
    pair.append(make("dt", title), make("dd", `${value}${unit ? ` ${unit}` : ""}${limits ? ` (${limits})` : ""}`));
    return pair;
  }));
  showMetrics();
};

// ---- Metric against metric ----
const pearson = (xs, ys) => {
  const pairs = xs.map((x, row) => [x, ys[row]]).filter(([x, y]) => isNumeric(x) && isNumeric(y));
  if (pairs.length < 3) return NaN;
  const mean = (axis) => pairs.reduce((sum, pair) => sum + pair[axis], 0) / pairs.length;
  const [mx, my] = [mean(0), mean(1)];
  let [xy, xx, yy] = [0, 0, 0];
  for (const [x, y] of pairs) {
    xy += (x - mx) * (y - my);
    xx += (x - mx) ** 2;
    yy += (y - my) ** 2;
  }
  return xy / Math.sqrt(xx * yy);
};

const fillSelect = (select, entries, value) => {
  select.replaceChildren(...entries.map(([key, words]) => option(key, words)));
  select.value = value;
};

const showMetrics = () => {
  const numbers = metricNumbers().filter(isVaried);
  byId("metrics-part").hidden = numbers.length < 2;
  if (numbers.length < 2) {
    dropPlot(byId("metrics"));
    return;
  }
  const { columns } = set();
  // Motion is across at first, since most metrics depend on it.
  const motion = numbers.find((number) => /framewise displacement|\bfd\b/i.test(columns[number].title)) ?? numbers[0];
  const entries = numbers.map((number) => [number, columnTitle(columns[number])]);
  fillSelect(byId("metric-x"), entries, motion);
  const others = numbers.filter((number) => number !== motion);
  fillSelect(byId("metric-y"), entries, others.find((number) => /tsnr/i.test(columns[number].title)) ?? others[0]);
  drawMetrics();
};

const drawMetrics = () => {
  const { columns, cells, rows } = set();
  const [x, y] = [Number(byId("metric-x").value), Number(byId("metric-y").value)];
  const r = pearson(cells[x], cells[y]);
  const unusual = unusualCells();
  const extra = [...rows.name.keys()].filter((row) => unusual.has(`${row} ${x}`) || unusual.has(`${row} ${y}`));
  const [xLabel, yLabel] = [columnTitle(columns[x]), columnTitle(columns[y])];
  byId("metrics-caption").textContent = `Pearson correlation over ${figure(rows.name.length)} rows: r = ${format(r, 2)}.`;
  makePlot(byId("metrics"), {
    height: (width) => Math.min(400, Math.max(260, 0.7 * width)),
    label: `${yLabel} against ${xLabel}, a point for each of ${rows.name.length} rows; Pearson correlation ${format(r, 2)}`,
    draw: (context, width, height) => drawScatter(context, width, height, {
      xs: cells[x], ys: cells[y], numbers: rows.participant, names: rows.name, xLabel, yLabel, extra,
    }),
  });
};

const startParticipants = () => {
  if (byId("metric-x")) ["metric-x", "metric-y"].forEach((id) => byId(id).addEventListener("change", drawMetrics));
  listeners.push(showCard, () => {
    if (participantsTable) participantsTable.mark();
    if (outliersTable) outliersTable.mark();
  });
};
