// ---- Search for a participant, who is highlighted in every plot ----
const sets = data.sets;
let current = 0;
const set = () => sets[current];
// Name of the highlighted participant, and the number in the current set; -1 without one.
const selection = { name: "", number: -1 };
const numberOf = (name) => (sets.length ? set().participants.indexOf(name) : -1);

// Rows of the current set by participant.
let rowsByNumber = [];
const indexRows = () => {
  rowsByNumber = set().participants.map(() => []);
  set().rows.participant.forEach((number, row) => rowsByNumber[number].push(row));
};

// All names: participants of any set, and those without maps.
const allNames = [...new Set([...sets.flatMap((item) => item.participants), ...data.missing.map(([name]) => name)])]
  .sort((a, b) => a.localeCompare(b, "en", { numeric: true }));

// What redraws itself when another participant is selected.
const listeners = [];

const selectName = (name) => {
  selection.name = name;
  selection.number = name ? numberOf(name) : -1;
  const hash = name ? `#${name}` : "";
  if (decodeURIComponent(window.location.hash) !== hash && (name || allNames.includes(decodeURIComponent(window.location.hash.slice(1))))) {
    window.history.replaceState(null, "", name ? `#${encodeURIComponent(name)}` : window.location.pathname + window.location.search);
  }
  markPlots();
  listeners.forEach((listener) => listener());
};
const selectNumber = (number) => selectName(set().participants[number]);

// Pages of participants are files beside this page.
const pageLink = (page, words) => (page && !/^[a-z][a-z0-9+.-]*:/i.test(page) ? make("a", words, { href: page }) : null);

const MAX_MATCHES = 10;
const startSearch = () => {
  const field = byId("find");
  const list = byId("find-list");
  let matches = [];
  let active = -1;

  const close = () => {
    list.hidden = true;
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  };
  const choose = (name) => {
    field.value = name;
    close();
    selectName(name);
  };
  const activate = (number) => {
    active = matches.length ? (number + matches.length) % matches.length : -1;
    [...list.children].forEach((item, place) => item.setAttribute("aria-selected", String(place === active)));
    if (active >= 0) field.setAttribute("aria-activedescendant", `match-${active}`);
  };
  const show = () => {
    const text = field.value.trim().toLowerCase();
    const starts = allNames.filter((name) => name.toLowerCase().startsWith(text) || name.toLowerCase().startsWith(`sub-${text}`));
    const others = starts.length < MAX_MATCHES ? allNames.filter((name) => name.toLowerCase().includes(text) && !starts.includes(name)) : [];
    const all = text ? [...starts, ...others] : allNames;
    matches = all.slice(0, MAX_MATCHES);
    list.replaceChildren(...matches.map((name, number) => {
      const item = make("li", name, { role: "option", id: `match-${number}`, "aria-selected": "false" });
      item.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        choose(name);
      });
      return item;
    }));
    if (!matches.length) list.append(make("li", "no participant matches", { role: "option", "aria-disabled": "true", "aria-selected": "false" }));
    else if (all.length > matches.length) list.append(make("li", `and ${figure(all.length - matches.length)} more`, { role: "option", "aria-disabled": "true", "aria-selected": "false" }));
    list.hidden = false;
    field.setAttribute("aria-expanded", "true");
    active = -1;
    field.removeAttribute("aria-activedescendant");
  };
  field.addEventListener("input", show);
  field.addEventListener("focus", () => field.select());
  field.addEventListener("click", show);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (list.hidden) show();
      activate(active < 0 && event.key === "ArrowUp" ? -1 : active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      if (list.hidden && field.value) show();
      const exact = matches.find((name) => [field.value.trim(), `sub-${field.value.trim()}`].includes(name));
      const name = active >= 0 ? matches[active] : exact || matches[0];
      if (name) choose(name);
      else if (!field.value) selectName("");
    } else if (event.key === "Escape" && !list.hidden) {
      event.stopPropagation();
      close();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && selection.name) selectName("");
  });
  byId("clear").addEventListener("click", () => {
    selectName("");
    field.focus();
  });
  window.addEventListener("hashchange", selectFromHash);
  listeners.push(showSelected);
};

const selectFromHash = () => {
  let name = "";
  try {
    name = decodeURIComponent(window.location.hash.slice(1));
  } catch {
    return;
  }
  if (allNames.includes(name) && name !== selection.name) selectName(name);
};

const reasonsOf = (name) =>
  data.missing.filter(([participant]) => participant === name).map(([, session, reason]) => (session ? `${session}: ${reason}` : reason));

// Values of the highlighted participant beside the search field: outliers first.
const MAX_VALUES = 4;
const keyValues = () => {
  const { columns, cells } = set();
  const rows = selection.number >= 0 ? rowsByNumber[selection.number] : [];
  if (!rows.length) return [];
  const metrics = columns.map((column, number) => number).filter((number) => columns[number].isMetric);
  const unusual = unusualCells();
  const isUnusual = (number) => rows.some((row) => unusual.has(`${row} ${number}`));
  const order = [...metrics.filter(isUnusual), ...metrics.filter((number) => !isUnusual(number))].slice(0, MAX_VALUES);
  return order.map((number) => {
    const words = rows.slice(0, 3).map((row) => (cells[number][row] === null ? "n/a" : isNumeric(cells[number][row]) ? figure(cells[number][row]) : cells[number][row]));
    const { title, unit } = columns[number];
    return { words: `${title} ${words.join(" / ")}${unit ? ` ${unit}` : ""}`, isUnusual: isUnusual(number) };
  });
};

// Row and column of outliers as "row column".
const unusualOf = new Map();
const unusualCells = () => {
  if (!unusualOf.has(current)) {
    const titles = new Map(set().columns.map((column, number) => [column.title, number]));
    unusualOf.set(current, new Set(set().outliers.filter(([row, measure]) => row >= 0 && titles.has(measure)).map(([row, measure]) => `${row} ${titles.get(measure)}`)));
  }
  return unusualOf.get(current);
};

const showSelected = () => {
  const { name, number } = selection;
  byId("selected").hidden = !name;
  byId("find-hint").hidden = Boolean(name);
  byId("find").value = name;
  const values = byId("selected-values");
  const links = byId("selected-links");
  values.textContent = links.textContent = byId("selected-name").textContent = "";
  byId("selected-status").textContent = name ? `${name} is highlighted.` : "";
  if (!name) return;
  byId("selected-name").textContent = name;
  const rows = number >= 0 ? rowsByNumber[number] : [];
  const pages = new Set([...rows.map((row) => set().rows.page[row]), ...data.missing.filter(([participant]) => participant === name).map((entry) => entry[3])]);
  links.append(...[...pages].slice(0, 3).map((page, place) => pageLink(page, pages.size > 1 ? `Page ${place + 1}` : "Open the page")).filter(Boolean).flatMap((link) => [link, " "]));
  keyValues().forEach((value) => {
    const entry = make("span", value.words, { class: value.isUnusual ? "value unusual" : "value" });
    if (value.isUnusual) entry.prepend(make("span", "\u25b2 ", { "aria-hidden": "true" }));
    values.append(entry);
  });
  if (!rows.length) values.append(make("span", reasonsOf(name)[0] || (set().isSample ? "no row on this page" : "no maps in this set"), { class: "value unusual" }));
};
