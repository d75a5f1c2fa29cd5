// ---- Start ----
// Parts that the template wrote for each set: only those of the current set are seen.
const showTexts = () => {
  if (byId("set-name")) {
    byId("set-line").hidden = false;
    byId("set-name").textContent = set().name;
  }
  document.querySelectorAll("[data-set]").forEach((part) => { part.hidden = Number(part.dataset.set) !== current; });
};

const showSet = async (number) => {
  current = number;
  selection.number = selection.name ? numberOf(selection.name) : -1;
  indexRows();
  showTexts();
  // The plots of another set are never marked: all are replaced before the images are decoded.
  const drawing = byId("maps") ? showGroups(set().groups) : null;
  showParticipants();
  showStrips();
  showDesign();
  showQcFc();
  showSimilarity();
  showIdentification();
  showIcc();
  showEmbedding();
  if (selection.name) selectName(selection.name);
  await drawing;
};

// The height of the search field, below which the navigation and the targets of links are.
const startBar = () => {
  const bar = byId("finder");
  bar.hidden = false;
  new ResizeObserver(() => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`)).observe(bar);
  const selector = byId("set");
  if (!selector) return;
  sets.forEach((item, place) => selector.append(option(place, item.name)));
  selector.addEventListener("change", () => showSet(Number(selector.value)));
};

const startResize = () => {
  let width = window.innerWidth;
  let timer = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(renderPlots, 150);
  });
};

const start = async () => {
  startNavigation();
  if (byId("methods-text")) startCopy();
  if (sets.length) {
    startBar();
    startSearch();
    startParticipants();
    startPlots();
    indexRows();
    if (byId("maps")) startViewer();
    await showSet(0);
    onRepaint(() => {
      renderPlots();
      if (byId("similarity-part") && !byId("similarity-part").hidden) paintSimilarityScale();
      if (byId("embedding-part") && !byId("embedding-part").hidden) drawEmbedding();
    });
    for (const name of ["beforeprint", "afterprint"]) window.addEventListener(name, renderPlots);
    startResize();
    selectFromHash();
  }
  document.documentElement.dataset.ready = "true";
};
start();
