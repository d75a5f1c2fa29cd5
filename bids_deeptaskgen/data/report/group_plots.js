// ---- Differences between participants ----
const showDesign = () => {
  const part = byId("design-part");
  if (!part) return;
  const { design } = set();
  part.hidden = !design;
  dropPlot(byId("design-matrix"));
  if (!design) return;
  const hasPermutations = design.rows.some((row) => row[6] !== null || row[7] !== null);
  const columns = [
    { title: "Contrast" }, { title: "Effect" },
    { title: "Participants", isNumber: true, description: "Participants of the design with a map of the contrast." },
    { title: "df", isNumber: true, description: "Residual degrees of freedom." },
    { title: "Voxels", isNumber: true, description: "Voxels with a value of all participants." },
    { title: "q < 0.05", isNumber: true, description: "Voxels below a false discovery rate of 0.05." },
    { title: "Max-T", isNumber: true, description: "Voxels with p < 0.05, corrected for all voxels with the distribution of the largest |t| over permutations." },
    { title: "TFCE", isNumber: true, description: "Voxels with p < 0.05, corrected for all voxels, of threshold-free cluster enhancement." },
    { title: "Peak t", isNumber: true, description: "t of largest magnitude." },
    { title: "Peak x, y, z", unit: "mm" },
    { title: "Peak r", isNumber: true, description: "Partial correlation at the peak." },
  ];
  const kept = [...columns.keys()].filter((column) => hasPermutations || ![6, 7].includes(column));
  makeTable(byId("effects"), {
    title: "Effects",
    columns: kept.map((column) => columns[column]),
    rows: design.rows.map((row) => kept.map((column) => row[column])),
    lead: (row) => [mapButton(design.rows[row][0], design.rows[row][1])],
    withFilter: design.rows.length > 10,
  });
  const values = design.values.map(unpack);
  const n = design.participants.length;
  makePlot(byId("design-matrix"), {
    height: Math.min(520, Math.max(220, 110 + 6 * n)),
    label: `Design matrix of ${n} participants and ${design.columns.length} columns: ${design.columns.join(", ")}`,
    draw: (context, width, height) => drawDesign(context, width, height, design, values),
  });
};

// A button that shows the map of an effect in the viewer.
const mapButton = (label, effect) => {
  const group = groups.findIndex((entry) => entry.effect === effect && entry.maps.some((item) => item.label === label));
  if (group < 0) return document.createTextNode(label);
  const button = make("button", label, { type: "button", class: "link", title: "show the map" });
  button.addEventListener("click", async () => {
    viewer.querySelector(".group-select").value = group;
    await selectGroup(group);
    await select(maps().findIndex((item) => item.label === label));
    viewer.scrollIntoView({ block: "start" });
    viewer.focus({ preventScroll: true });
  });
  return button;
};

const drawDesign = (context, width, height, design, values) => {
  const shade = palette();
  const top = 92;
  const n = design.participants.length;
  const cell = Math.min(56, (width - 84) / design.columns.length);
  const rowHeight = (height - top - 4) / n;
  const names = design.participants.map((number) => set().participants[number]);
  values.forEach((column, place) => {
    const { low, high } = design.values[place];
    // One pixel shows the first of the rows that share it.
    const count = Math.min(n, Math.round(height - top));
    for (let k = 0; k < count; k += 1) {
      const row = Math.floor((k * n) / count);
      const share = high > low ? (column[row] - low) / (high - low) : 1;
      const grey = Math.round(40 + 205 * share);
      context.fillStyle = Number.isNaN(share) ? shade.fail : `rgb(${grey} ${grey} ${grey})`;
      context.fillRect(place * cell, top + (k * (height - top - 4)) / count, cell - 2, (height - top - 4) / count + 0.6);
    }
    context.save();
    context.translate(place * cell + cell / 2, top - 6);
    context.rotate(-Math.PI / 4);
    write(context, design.columns[place].length > 20 ? `${design.columns[place].slice(0, 19)}…` : design.columns[place], 0, 0, shade.ink, "left", "middle");
    context.restore();
  });
  const right = design.columns.length * cell;
  return {
    pick: (x, y) => {
      const row = Math.floor((y - top) / rowHeight);
      const column = Math.floor(x / cell);
      if (row < 0 || row >= n || column < 0 || column >= values.length) return null;
      return { words: `${names[row]}: ${design.columns[column]} = ${format(values[column][row])}`, participant: design.participants[row] };
    },
    mark: (above) => {
      const row = design.participants.indexOf(selection.number);
      if (row < 0 || selection.number < 0) return;
      const y = top + row * rowHeight;
      above.strokeStyle = palette().mark;
      above.lineWidth = 2.5;
      above.strokeRect(1, y - 1.5, right - 2, Math.max(rowHeight, 2) + 3);
      above.font = `600 ${FONT}`;
      write(above, selection.name, right + 6, y + rowHeight / 2, palette().mark, "left", "middle");
    },
  };
};

// ---- Relation to motion ----
const showQcFc = () => {
  const box = byId("qc-fc-table");
  if (!box) return;
  const { qcFc } = set();
  box.textContent = "";
  byId("edges-part").hidden = !qcFc || !qcFc.edges;
  byId("distance-part").hidden = !qcFc || !qcFc.distance;
  dropPlot(byId("edges"));
  dropPlot(byId("distance"));
  if (!qcFc) return;
  if (qcFc.rows.length) {
    makeTable(box, {
      title: "Correlation with mean framewise displacement",
      columns: [
        { title: "Map or connectome" }, { title: "Participants", isNumber: true },
        { title: "Values", isNumber: true, description: "Voxels, or pairs of ROIs." },
        { title: "Median r", isNumber: true, description: "Median over values." },
        { title: "Median |r|", isNumber: true, description: "Median of the magnitude over values." },
        { title: "Max |r|", isNumber: true, description: "Largest magnitude." },
        { title: "Share p < 0.05", isNumber: true, description: "Share of values with p < 0.05, uncorrected. Without a relation, 0.05 is expected." },
        { title: "Share q < 0.05", isNumber: true, description: "Share of values below a false discovery rate of 0.05." },
      ],
      rows: qcFc.rows,
      withFilter: qcFc.rows.length > 10,
    });
  }
  if (qcFc.edges) showEdges(qcFc.edges);
  if (qcFc.distance) showDistance(qcFc.distance);
};

const showEdges = ({ counts, limit, median, nParticipants }) => {
  const total = counts.reduce((sum, count) => sum + count, 0);
  const bin = (2 * limit) / counts.length;
  // Density of r between independent normal variables.
  const power = nParticipants ? (nParticipants - 4) / 2 : 0;
  const centres = counts.map((_, place) => -limit + (place + 0.5) * bin);
  let area = 0;
  if (nParticipants > 4) for (let k = 0; k < 2000; k += 1) area += (1 - (-1 + (k + 0.5) / 1000) ** 2) ** power / 1000;
  const expected = nParticipants > 4 ? centres.map((r) => (total * bin * Math.max(0, 1 - r * r) ** power) / area) : [];
  byId("edges-caption").textContent = `Correlation with mean framewise displacement of ${figure(total)} connections; median ${format(median, 2)}.${expected.length ? " Curve: expected without a relation." : ""}`;
  makePlot(byId("edges"), {
    height: 260,
    label: `Histogram of the correlation with mean framewise displacement of ${total} connections: median ${format(median, 2)}`,
    draw: (context, width, height) => {
      const shade = palette();
      const most = Math.max(...counts, ...expected);
      const { px, py } = drawAxes(context, width, height, { x: [-limit, limit], y: [0, most * 1.05], xLabel: "r with mean FD", yLabel: "connections" });
      context.fillStyle = shade.point;
      context.globalAlpha = 0.75;
      counts.forEach((count, place) => context.fillRect(px(-limit + place * bin) + 0.5, py(count), px(bin) - px(0) - 1, py(0) - py(count)));
      context.globalAlpha = 1;
      line(context, px(0), py(most * 1.05), px(0), py(0), shade.soft, 1, [4, 3]);
      expected.forEach((count, place) => {
        if (place) line(context, px(centres[place - 1]), py(expected[place - 1]), px(centres[place]), py(count), shade.outlier, 2.2);
      });
      return {};
    },
  });
};

const showDistance = (distance) => {
  const isSample = distance.mm.length < distance.n;
  byId("distance-caption").textContent =
    `Each point is a pair of ROIs${isSample ? ` (${figure(distance.mm.length)} of ${figure(distance.n)})` : ""}; line: median in bins of distance. A line that falls with distance is what motion leaves in connections.`;
  makePlot(byId("distance"), {
    height: 260,
    label: `Correlation with mean framewise displacement against the distance of ROIs, ${distance.n} pairs; medians from ${format(distance.binR[0], 2)} at ${format(distance.binMm[0])} mm to ${format(distance.binR[distance.binR.length - 1], 2)} at ${format(distance.binMm[distance.binMm.length - 1])} mm`,
    draw: (context, width, height) => {
      const shade = palette();
      const { px, py, box } = drawAxes(context, width, height, { x: rangeOf(distance.mm), y: rangeOf(distance.r), xLabel: "distance (mm)", yLabel: "r with mean FD" });
      context.fillStyle = shade.point;
      context.globalAlpha = 0.35;
      distance.mm.forEach((mm_, place) => {
        circle(context, px(mm_), py(distance.r[place]), 2.2);
        context.fill();
      });
      context.globalAlpha = 1;
      line(context, box.left, py(0), box.right, py(0), shade.soft, 1, [4, 3]);
      distance.binMm.forEach((value, place) => {
        if (place) line(context, px(distance.binMm[place - 1]), py(distance.binR[place - 1]), px(value), py(distance.binR[place]), shade.outlier, 3);
      });
      return {};
    },
  });
};

// ---- Similarity of participants ----
const similarity = { kind: 0, row: 0, column: 1, values: null, means: null };
const currentMatrix = () => set().similarity[similarity.kind];
const pairPlace = (row, column, n) => {
  const [a, b] = row < column ? [row, column] : [column, row];
  return a * n - (a * (a + 1)) / 2 + (b - a - 1);
};
const similarityOf = (row, column) =>
  row === column ? 1 : similarity.values[pairPlace(row, column, currentMatrix().participants.length)];

// Matrices with negative values have colours by sign.
const similarityScale = () => {
  const { low, high } = currentMatrix().values;
  const isSigned = low < 0;
  const limit = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const colours = table(isSigned ? scheme() : "sd");
  const index = (value) => {
    if (isSigned) return 3 * Math.round(128 + 127 * Math.max(-1, Math.min(1, value / limit)));
    return 3 * Math.round(1 + 254 * Math.max(0, Math.min(1, (value - low) / (high - low || 1))));
  };
  return { low: isSigned ? -limit : low, high: isSigned ? limit : high, colours, index };
};

const drawSimilarity = (context, width, height) => {
  const n = currentMatrix().participants.length;
  const { colours, index } = similarityScale();
  const canvas = make("canvas");
  canvas.width = canvas.height = n;
  const small = canvas.getContext("2d");
  const picture = small.createImageData(n, n);
  for (let row = 0; row < n; row += 1) {
    for (let column = 0; column < n; column += 1) {
      const value = similarityOf(row, column);
      const place = 4 * (row * n + column);
      const start = Number.isNaN(value) ? -1 : index(value);
      for (let channel = 0; channel < 3; channel += 1) picture.data[place + channel] = start < 0 || row === column ? 128 : colours.bytes[start + channel];
      picture.data[place + 3] = 255;
    }
  }
  small.putImageData(picture, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, 0, 0, width, height);
  const cell = width / n;
  return {
    pick: (x, y) => {
      const [row, column] = [Math.floor(y / cell), Math.floor(x / cell)];
      if (row < 0 || column < 0 || row >= n || column >= n) return null;
      similarity.row = row;
      similarity.column = column;
      const words = similarityWords();
      byId("similarity-readout").textContent = words;
      return { words, participant: currentMatrix().participants[row] };
    },
    mark: (above) => {
      const row = selection.number < 0 ? -1 : currentMatrix().participants.indexOf(selection.number);
      above.strokeStyle = palette().mark;
      above.lineWidth = 2;
      if (row >= 0) {
        above.strokeRect(1, row * cell - 1, width - 2, cell + 2);
        above.strokeRect(row * cell - 1, 1, cell + 2, height - 2);
      }
      if (document.activeElement === byId("similarity-frame")) {
        above.strokeStyle = palette().ink;
        above.strokeRect(similarity.column * cell - 1, similarity.row * cell - 1, cell + 2, cell + 2);
      }
    },
  };
};

const similarityWords = () => {
  const names = currentMatrix().participants.map((number) => set().participants[number]);
  const { row, column } = similarity;
  return `${names[row]} and ${names[column]}: r = ${row === column ? "1 (itself)" : format(similarityOf(row, column), 2)}`;
};

const showSimilarity = () => {
  const part = byId("similarity-part");
  if (!part) return;
  const kinds = set().similarity.filter((entry) => entry.participants.length > 1);
  part.hidden = !kinds.length;
  ["similarity", "similarity-means"].forEach((id) => dropPlot(byId(id)));
  if (!kinds.length) return;
  byId("similarity-line").hidden = kinds.length < 2;
  fillSelect(byId("similarity-kind"), set().similarity.map((entry, number) => [number, entry.title]), 0);
  showSimilarityKind(0);
};

const showSimilarityKind = (kind) => {
  similarity.kind = kind;
  const entry = currentMatrix();
  const n = entry.participants.length;
  similarity.values = unpack(entry.values);
  [similarity.row, similarity.column] = [0, Math.min(1, n - 1)];
  similarity.means = entry.participants.map((_, row) => {
    let [sum, count] = [0, 0];
    for (let column = 0; column < n; column += 1) {
      const value = row === column ? NaN : similarityOf(row, column);
      if (!Number.isNaN(value)) {
        sum += value;
        count += 1;
      }
    }
    return count ? sum / count : null;
  });
  const sample = n < entry.nParticipants ? ` A sample of ${figure(n)} of ${figure(entry.nParticipants)} participants.` : "";
  byId("similarity-caption").textContent =
    `Pearson correlation between the maps of participants, ${entry.title}. Mean of different participants: r = ${format(entry.meanR, 2)}.${sample} Point at a cell, or move with the arrow keys; click or Enter highlights the participant of the row.`;
  makePlot(byId("similarity"), {
    height: (width) => width,
    label: `Similarity of ${n} participants, ${entry.title}: from ${format(entry.values.low, 2)} to ${format(entry.values.high, 2)}, mean ${format(entry.meanR, 2)}`,
    draw: drawSimilarity,
  });
  const names = entry.participants.map((number) => set().participants[number]);
  const order = [...names.keys()].sort((a, b) => (similarity.means[a] ?? 2) - (similarity.means[b] ?? 2));
  const ranks = order.map((_, place) => place + 1);
  makePlot(byId("similarity-means"), {
    height: (width) => Math.min(420, Math.max(260, 0.7 * width)),
    label: `Mean similarity of each participant with all others, sorted: from ${format(similarity.means[order[0]], 2)}, ${names[order[0]]}, to ${format(similarity.means[order[order.length - 1]], 2)}`,
    draw: (context, width, height) => drawScatter(context, width, height, {
      xs: ranks, ys: order.map((row) => similarity.means[row]), numbers: order.map((row) => entry.participants[row]),
      names: order.map((row) => names[row]), xLabel: "participants, from the least to the most similar", yLabel: "mean r",
    }),
  });
  paintSimilarityScale();
  showSimilarityReadout();
};

const paintSimilarityScale = () => {
  const { low, high, colours, index } = similarityScale();
  const box = byId("similarity-scale");
  if (!box.children.length) box.append(make("canvas"), make("div", "", { class: "ticks" }));
  const [canvas, ticks] = box.children;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Colour bar from ${format(low, 2)} to ${format(high, 2)}`);
  canvas.width = 256;
  canvas.height = 1;
  const context = canvas.getContext("2d");
  for (let k = 0; k < 256; k += 1) {
    const start = index(low + ((k + 0.5) / 256) * (high - low));
    context.fillStyle = `rgb(${colours.bytes.slice(start, start + 3).join(" ")})`;
    context.fillRect(k, 0, 1, 1);
  }
  ticks.replaceChildren(...[low, (low + high) / 2, high].map((value, place) => {
    const tick = make("span", `${format(value, 2)}${place === 2 ? " r" : ""}`);
    tick.style.left = `${50 * place}%`;
    return tick;
  }));
};

// Words on the highlighted participant, or on the cell.
const showSimilarityReadout = () => {
  if (!byId("similarity-part") || byId("similarity-part").hidden) return;
  const entry = currentMatrix();
  const row = selection.number < 0 ? -1 : entry.participants.indexOf(selection.number);
  byId("similarity-readout").textContent = row >= 0
    ? `${selection.name}: mean r with all others ${format(similarity.means[row], 2)}`
    : selection.number >= 0 ? `${selection.name} is not in the sample of this matrix.` : similarityWords();
};

const connectSimilarity = () => {
  const frame = byId("similarity-frame");
  if (!frame) return;
  byId("similarity-kind").addEventListener("change", (event) => showSimilarityKind(Number(event.target.value)));
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  frame.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { participants } = currentMatrix();
    if (event.key === "Enter") selectNumber(participants[similarity.row]);
    else if (steps[event.key]) {
      const last = participants.length - 1;
      similarity.row = Math.min(Math.max(similarity.row + steps[event.key][0], 0), last);
      similarity.column = Math.min(Math.max(similarity.column + steps[event.key][1], 0), last);
      byId("similarity-readout").textContent = similarityWords();
      byId("similarity-readout").setAttribute("aria-live", "polite");
      plots.get(byId("similarity")).mark();
    } else return;
    event.preventDefault();
  });
  for (const name of ["focus", "blur"]) frame.addEventListener(name, () => plots.get(byId("similarity")).mark());
  listeners.push(showSimilarityReadout);
};

// ---- Identification and reliability ----
const showIdentification = () => {
  const part = byId("identification-part");
  if (!part) return;
  const { identification } = set();
  part.hidden = !identification.length;
  if (!identification.length) return;
  makeTable(byId("identification"), {
    title: "Identification",
    columns: [
      { title: "Maps" }, { title: "Between" }, { title: "Mean removed" }, { title: "n", isNumber: true },
      { title: "Rate", isNumber: true }, { title: "Chance", isNumber: true, description: "Rate without any information: 1 / n." },
      { title: "Mean rank", isNumber: true, description: "Mean rank of the own map; 1 is the most similar." },
      { title: "Chance rank", isNumber: true, description: "Mean rank without any information: (n + 1) / 2." },
      { title: "Idiff", isNumber: true }, { title: "r own", isNumber: true }, { title: "r others", isNumber: true },
    ],
    rows: identification,
    withFilter: identification.length > 10,
  });
};

const showIcc = () => {
  const part = byId("icc-part");
  if (!part) return;
  const { icc } = set();
  part.hidden = !icc.rows.length;
  dropPlot(byId("icc-plot"));
  if (!icc.rows.length) return;
  fillSelect(byId("icc-contrast"), icc.contrasts.map((name, number) => [number, name]), 0);
  makeTable(byId("icc-table"), {
    title: "Reliability of each contrast and ROI",
    columns: [
      { title: "Contrast" }, { title: "ROI" }, { title: "Participants", isNumber: true }, { title: "Sessions", isNumber: true },
      { title: "ICC", isNumber: true }, { title: "from", isNumber: true, description: "Lower end of the 95% interval." }, { title: "to", isNumber: true, description: "Upper end of the 95% interval." },
    ],
    rows: icc.rows.map(([contrast, roi, ...values]) => [icc.contrasts[contrast], icc.rois[roi], ...values]),
    withFilter: true,
  });
  showIccPlot();
};

const showIccPlot = () => {
  const { icc } = set();
  const number = Number(byId("icc-contrast").value);
  const rows = icc.rows.filter(([contrast, , , , value]) => contrast === number && value !== null).sort((a, b) => b[4] - a[4]);
  const step = rows.length > 60 ? 6 : 18;
  const median = rows.length ? rows[Math.floor(rows.length / 2)][4] : NaN;
  byId("icc-caption").textContent = `${icc.contrasts[number]}. Dot: ICC; line: 95% interval. ROIs from the highest to the lowest.`;
  makePlot(byId("icc-plot"), {
    height: Math.max(120, step * rows.length + 52),
    label: `ICC of ${icc.contrasts[number]} in ${rows.length} ROIs with 95% intervals; median ${format(median, 2)}`,
    draw: (context, width, height) => {
      const shade = palette();
      const roiName = (roi) => (icc.rois[roi].length > 30 ? `${icc.rois[roi].slice(0, 29)}…` : icc.rois[roi]);
      const longest = Math.max(0, ...rows.map(([, roi]) => context.measureText(roiName(roi)).width));
      const left = step > 10 ? Math.min(longest + 16, 0.5 * width) : 12;
      const low = Math.min(0, ...rows.map((row) => row[5] ?? row[4]));
      const px = (value) => left + ((value - low) / (1 - low)) * (width - left - 14);
      for (const value of tickValues(low, 1, Math.max(2, Math.floor((width - left) / 80)))) {
        line(context, px(value), 8, px(value), height - 38, value === 0 ? shade.soft : shade.line);
        write(context, format(value, 2), px(value), height - 34, shade.soft, "center", "top");
      }
      write(context, "ICC(3,1)", (left + width) / 2, height - 4, shade.soft, "center", "bottom");
      rows.forEach(([, roi, , , value, lower, upper], place) => {
        const y = 8 + (place + 0.5) * step;
        if (step > 10) write(context, roiName(roi), left - 8, y, shade.ink, "right", "middle");
        if (lower !== null && upper !== null) line(context, px(Math.max(lower, low)), y, px(upper), y, shade.point, 2);
        context.fillStyle = shade.point;
        circle(context, px(value), y, step > 10 ? 4 : 2.4);
        context.fill();
      });
      return {
        pick: (x, y) => {
          const row = rows[Math.floor((y - 8) / step)];
          return row ? { words: `${icc.rois[row[1]]}: ${format(row[4], 2)} (${format(row[5], 2)} to ${format(row[6], 2)}), ${row[2]} participants`, participant: -1 } : null;
        },
      };
    },
  });
};

// ---- Embedding ----
const showEmbedding = () => {
  const part = byId("embedding-part");
  if (!part) return;
  const { embedding, columns, cells } = set();
  part.hidden = !embedding;
  byId("embedding-lead").textContent = embedding ? `Principal components of ${embedding.title}: each point is a participant.` : "Not available for this set.";
  dropPlot(byId("embedding-plot"));
  if (!embedding) return;
  const axes = embedding.axes.map((_, number) => [number, axisTitle(embedding, number)]);
  fillSelect(byId("axis-x"), axes, 0);
  fillSelect(byId("axis-y"), axes, Math.min(1, axes.length - 1));
  const useful = [...columns.keys()].filter((number) => {
    const kinds = new Set(cells[number].filter((value) => value !== null && value !== ""));
    return kinds.size > 1 && (columns[number].isNumber || kinds.size <= CATEGORIES.light.length);
  });
  fillSelect(byId("colour-by"), [[-1, "none"], ...useful.map((number) => [number, columnTitle(columns[number])])], -1);
  drawEmbedding();
};
const axisTitle = ({ explained }, number) => `PC ${number + 1} (${format(100 * explained[number], 2)}%)`;

// Mean of the rows of a participant; the first word.
const valuesOf = (column) => rowsByNumber.map((rows) => {
  const values = rows.map((row) => set().cells[column][row]).filter((value) => value !== null && value !== "");
  if (!values.length) return null;
  return isNumeric(values[0]) ? values.reduce((sum, value) => sum + value, 0) / values.length : values[0];
});

const drawEmbedding = () => {
  const { embedding, participants, columns } = set();
  const [x, y, column] = ["axis-x", "axis-y", "colour-by"].map((id) => Number(byId(id).value));
  const values = column < 0 ? null : valuesOf(column);
  const legend = byId("embedding-legend");
  legend.textContent = "";
  let colourOf = null;
  if (values && columns[column].isNumber) {
    const [low, high] = rangeOf(values, 0);
    const index = (value) => 3 * Math.round(1 + 254 * ((value - low) / (high - low || 1)));
    colourOf = (row) => {
      const value = values[embedding.participants[row]];
      if (!isNumeric(value)) return palette().line;
      return `rgb(${table("sd").bytes.slice(index(value), index(value) + 3).join(" ")})`;
    };
    const bar = make("canvas", "", { class: "ramp", "aria-hidden": "true" });
    bar.width = 100;
    bar.height = 1;
    const context = bar.getContext("2d");
    for (let k = 0; k < 100; k += 1) {
      const start = 3 * Math.round(1 + 2.54 * k);
      context.fillStyle = `rgb(${table("sd").bytes.slice(start, start + 3).join(" ")})`;
      context.fillRect(k, 0, 1, 1);
    }
    legend.append(columnTitle(columns[column]), make("span", figure(low)), bar, make("span", figure(high)));
  } else if (values) {
    const kinds = [...new Set(values.filter((value) => value !== null))].sort();
    colourOf = (row) => {
      const place = kinds.indexOf(values[embedding.participants[row]]);
      return place < 0 ? palette().line : CATEGORIES[scheme()][place];
    };
    kinds.forEach((kind, place) => {
      const key = make("span", "", { class: "key dot", "aria-hidden": "true" });
      key.style.background = CATEGORIES[scheme()][place];
      const entry = make("span", "", { class: "entry" });
      entry.append(key, kind);
      legend.append(entry);
    });
  }
  const names = embedding.participants.map((number) => participants[number]);
  if (names.length > data.maxPoints) legend.append(make("span", sampleWords(names.length)));
  makePlot(byId("embedding-plot"), {
    height: (width) => Math.min(520, Math.max(280, 0.7 * width)),
    label: `${axisTitle(embedding, y)} against ${axisTitle(embedding, x)}, a point for each of ${names.length} participants`,
    draw: (context, width, height) => drawScatter(context, width, height, {
      xs: embedding.axes[x], ys: embedding.axes[y], numbers: embedding.participants, names,
      xLabel: axisTitle(embedding, x), yLabel: axisTitle(embedding, y), colourOf,
    }),
  });
};

const startPlots = () => {
  connectSimilarity();
  if (byId("icc-contrast")) byId("icc-contrast").addEventListener("change", showIccPlot);
  if (byId("embedding-part")) ["axis-x", "axis-y", "colour-by"].forEach((id) => byId(id).addEventListener("change", drawEmbedding));
};
