// ---- Connectome ----
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

// ---- Start ----
const startConnectome = async (numbers) => {
  byId("connectome-viewer").hidden = false;
  const selector = byId("connectome-session");
  numbers.forEach((number) => selector.append(option(number, data.sessions[number].name)));
  byId("connectome-session-line").hidden = numbers.length < 2;
  selector.addEventListener("change", (event) => selectConnectome(Number(event.target.value)));
  connectMatrix();
  onRepaint(() => {
    drawMatrix();
    showSeed(Number(byId("roi").value) || 0);
  });
  await selectConnectome(numbers[0]);
};

const startMaps = async () => {
  startViewer();
  await showGroups(data.sessions);
  byId("announcement").textContent = "";
};

const start = async () => {
  const withConnectome = data.sessions.map((session, number) => number).filter((number) => data.sessions[number].connectome);
  startNavigation();
  if (byId("methods-text")) startCopy();
  await Promise.all([
    data.sessions.some((session) => session.maps.length) ? startMaps() : null,
    withConnectome.length ? startConnectome(withConnectome) : null,
  ]);
  document.documentElement.dataset.ready = "true";
};
start();
