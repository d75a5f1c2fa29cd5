// ---- Tables with many rows ----
const FIRST_ROWS = 25;
const MORE_ROWS = 200;

const compare = (a, b) => {
  if (isNumeric(a) && isNumeric(b)) return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
};

let tableCount = 0;

// Draws a table whose first column names the row. Columns: {title, unit, description, isNumber}; `participants[row]`
// is the participant of a row, or -1; `lead(row)` returns the nodes of its first cell, `isUnusual(row, column)`
// whether a value is an outlier.
const makeTable = (box, { title, columns, rows, participants = [], lead, isUnusual, withFilter }) => {
  box.textContent = "";
  tableCount += 1;
  const state = { column: -1, isDescending: false, shown: FIRST_ROWS, filter: "" };
  const controls = make("p", "", { class: "controls table-controls" });
  const count = make("span", "", { class: "small", role: "status" });
  if (withFilter) {
    const field = make("input", "", { type: "search", id: `filter-${tableCount}`, class: "filter" });
    field.addEventListener("input", () => {
      state.filter = field.value.trim().toLowerCase();
      state.shown = FIRST_ROWS;
      fill();
    });
    const pair = make("span");
    pair.append(make("label", "Only rows with", { for: field.id }), field);
    controls.append(pair);
  }
  controls.append(count);
  const frame = make("div", "", { class: "scroll table-frame", tabindex: "0", role: "group", "aria-label": title });
  const element = make("table", "", { class: "data" });
  const head = make("thead");
  const body = make("tbody");
  const more = make("button", "", { type: "button" });
  const line = make("p", "", { class: "controls" });
  line.append(more);
  element.append(make("caption", title, { class: "visually-hidden" }), head, body);
  frame.append(element);
  box.append(controls, frame, line);

  const headers = columns.map((column, number) => {
    const cell = make("th", "", { scope: "col" });
    if (column.isNumber) cell.className = "number";
    const button = make("button", column.title, { type: "button", class: "sort" });
    if (column.unit) button.append(make("span", ` (${column.unit})`, { class: "unit" }));
    button.append(make("span", "", { class: "arrow", "aria-hidden": "true" }));
    // Long titles have several lines.
    button.style.minWidth = `${Math.min(14, Math.max(3.4, 0.25 * (column.title.length + (column.unit || "").length) + 2))}rem`;
    button.addEventListener("click", () => {
      state.isDescending = state.column === number ? !state.isDescending : Boolean(column.isNumber && number);
      state.column = number;
      fill();
    });
    cell.append(button);
    return cell;
  });
  const top = make("tr");
  top.append(...headers);
  head.append(top);

  const order = () => {
    let numbers = [...rows.keys()];
    if (state.filter) numbers = numbers.filter((row) => rows[row].some((value) => String(value).toLowerCase().includes(state.filter)));
    if (state.column >= 0) {
      const sign = state.isDescending ? -1 : 1;
      const { column } = state;
      // Missing values are last in both directions.
      const isMissing = (row) => rows[row][column] === null || rows[row][column] === "";
      numbers.sort((a, b) => isMissing(a) - isMissing(b) || (isMissing(a) ? 0 : sign * compare(rows[a][column], rows[b][column])));
    }
    return numbers;
  };

  const makeRow = (row) => {
    const isMarked = participants.length && participants[row] >= 0 && participants[row] === selection.number;
    const result = make("tr", "", isMarked ? { class: "marked", "aria-current": "true" } : {});
    rows[row].forEach((value, column) => {
      const cell = make(column ? "td" : "th", "", column ? {} : { scope: "row" });
      if (columns[column].isNumber) cell.className = "number";
      if (!column && lead) cell.append(...lead(row));
      else cell.textContent = value === null ? "n/a" : isNumeric(value) ? figure(value) : value;
      if (isUnusual && isUnusual(row, column)) {
        cell.classList.add("unusual");
        cell.prepend(make("span", "\u25b2 ", { "aria-hidden": "true" }), make("span", "outlier ", { class: "visually-hidden" }));
      }
      result.append(cell);
    });
    if (participants.length && participants[row] >= 0) {
      result.addEventListener("click", (event) => {
        if (!event.target.closest("a, button")) selectNumber(participants[row]);
      });
    }
    return result;
  };

  const fill = () => {
    const numbers = order();
    // The highlighted participant is above the others.
    const isMarked = (row) => participants.length && participants[row] === selection.number && selection.number >= 0;
    const first = numbers.filter(isMarked);
    const drawn = [...first, ...numbers.filter((row) => !isMarked(row))].slice(0, state.shown);
    body.replaceChildren(...drawn.map(makeRow));
    count.textContent = `${figure(drawn.length)} of ${figure(numbers.length)} rows${state.filter ? ` with \u201c${state.filter}\u201d` : ""}`;
    line.hidden = drawn.length >= numbers.length;
    more.textContent = `Show ${figure(Math.min(MORE_ROWS, numbers.length - drawn.length))} more rows`;
    headers.forEach((cell, number) => {
      const isSorted = number === state.column;
      if (isSorted) cell.setAttribute("aria-sort", state.isDescending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
      cell.querySelector(".arrow").textContent = isSorted ? (state.isDescending ? " \u25bc" : " \u25b2") : "";
    });
  };
  more.addEventListener("click", () => {
    state.shown += MORE_ROWS;
    fill();
  });

  const described = columns.filter((column) => column.description || column.limits);
  if (described.length) {
    const details = make("details", "", { class: "definitions" });
    const list = make("dl", "", { class: "facts rows" });
    for (const column of described) {
      const pair = make("div");
      const limits = column.limits ? ` Thresholds: ${column.limits}.` : "";
      pair.append(make("dt", column.title), make("dd", `${column.description}${limits}`));
      list.append(pair);
    }
    details.append(make("summary", "Definitions of the columns"), list);
    box.append(details);
  }
  fill();
  return { mark: () => { if (participants.length) fill(); } };
};
