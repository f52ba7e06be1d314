"use strict";
(() => {
  // Photos are built when their person is shown: the first at once, the others in small steps.
  const FIRST = 120;
  const STEP = 100;
  const CHIPS = 6;

  const byId = (id) => document.getElementById(id);
  const album = JSON.parse(byId("album").textContent);
  const people = album.people.map(([number, title, named, cover, photos, folder]) => ({
    number, title, named, cover, photos, folder,
  }));
  const photos = album.photos.map(([href, thumbnail, name, taken, ratio, on]) => ({
    href, thumbnail, name, taken, ratio, on,
  }));
  const places = new Map(people.map((person, place) => [person.number, place]));
  const root = document.documentElement;
  const heading = document.title;
  const overview = byId("overview");
  const detail = byId("detail");
  const filter = byId("filter");
  const faces = [...overview.querySelectorAll(".face")];

  // --- elements -------------------------------------------------------------------------------

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  function round(cover, side) {
    if (!cover) return make("span", { class: "round" });
    return make("img", {
      class: "round", alt: "", loading: "lazy", decoding: "async", width: side, height: side, src: cover,
    });
  }

  const counted = (count) => count.toLocaleString(root.lang) + (count === 1 ? " photo" : " photos");

  // --- when a photo was taken: the camera's own clock, whatever the reader's time zone ----------

  const differ = (length) => new Set(photos.map(({ taken }) => taken.slice(0, length)).filter(Boolean)).size > 1;
  const clock = new Intl.DateTimeFormat(root.lang, {
    timeZone: "UTC", hourCycle: "h23", hour: "2-digit", minute: "2-digit",
    ...(differ("YYYY-MM-DD".length) ? { day: "numeric", month: "short" } : {}),
    ...(differ("YYYY".length) ? { year: "numeric" } : {}),
  });

  function time(taken) {
    return make("time", { datetime: taken }, clock.format(new Date(taken + "Z")));
  }

  // --- one photo --------------------------------------------------------------------------------

  function chip(person) {
    const link = make("a", { class: "chip", href: "#person-" + person.number, title: person.title },
      round(person.cover, 32));
    if (person.named) link.append(make("span", { dir: "auto" }, person.title));
    else link.setAttribute("aria-label", person.title);
    return link;
  }

  function chips(others) {
    const row = make("div", { class: "with", role: "group", "aria-label": "Also on this photo" });
    row.append(...others.slice(0, CHIPS).map(chip));
    const rest = others.slice(CHIPS);
    if (rest.length) row.append(more(rest));
    return row;
  }

  function more(rest) {
    const label = "Show " + rest.length + " more people";
    const button = make("button", { class: "chip", type: "button", "aria-label": label }, "+" + rest.length);
    button.addEventListener("click", () => {
      const links = rest.map(chip);
      button.replaceWith(...links);
      links[0].focus();
    });
    return button;
  }

  function figure(photo, shown) {
    const height = Math.max(1, Math.round(400 / Math.max(photo.ratio, 1)));
    const image = make("img", {
      alt: photo.name, loading: "lazy", decoding: "async",
      width: Math.max(1, Math.round(height * photo.ratio)), height, src: photo.thumbnail,
    });
    const file = make("p", { class: "file quiet" },
      make("span", { dir: "auto", title: photo.name }, photo.name));
    if (photo.taken) file.append(time(photo.taken));
    const caption = make("div", { class: "caption" }, file);
    const others = photo.on.filter((place) => place !== shown).map((place) => people[place]);
    if (others.length) caption.append(chips(others));
    const item = make("li", {}, make("a", { class: "photo", href: photo.href }, image), caption);
    item.style.setProperty("--ratio", photo.ratio);
    return item;
  }

  // --- many photos ------------------------------------------------------------------------------

  let building = 0;

  /** Fills the list; `whole` at once, so that the reader can be put back where they were. */
  function build(list, numbers, shown, whole) {
    clearTimeout(building);
    const step = (from, count) => {
      list.append(...numbers.slice(from, from + count).map((number) => figure(photos[number], shown)));
      root.dataset.photos = list.childElementCount;
      if (from + count < numbers.length) building = setTimeout(step, 0, from + count, STEP);
    };
    step(0, whole ? numbers.length : FIRST);
  }

  function showPhotos(title, numbers, shown, whole) {
    const person = people[shown];
    const words = make("div", {}, make("h2", { tabindex: "-1", dir: "auto", id: "title" }, title));
    const count = make("p", { class: "quiet" }, counted(numbers.length));
    if (person && person.folder) {
      count.append(" \u00b7 ", make("a", { class: "way", href: person.folder }, "Folder"));
    }
    words.append(count);
    const list = make("ul", { class: "photos", "aria-labelledby": "title" });
    const head = make("div", { class: "person" }, ...(person ? [round(person.cover, 104)] : []), words);
    detail.replaceChildren(
      make("nav", { "aria-label": "Back" }, make("a", { class: "way back", href: "#people" }, "All people")),
      head, list);
    build(list, numbers, shown, whole);
    document.title = title + " \u2013 " + heading;
  }

  // --- which view: the address says it ----------------------------------------------------------

  let depth = 0; // Steps taken inside this page, so that Escape never leaves it.
  let shownHash = null;
  let opened = null; // The face that led away from the overview.
  let wanted = null; // What is to have the focus after the next change.

  function viewOf(hash) {
    const place = places.get(Number((/^#person-(\d+)$/.exec(hash) || [])[1]));
    if (place !== undefined) return "person-" + people[place].number;
    return hash === "#unsorted" && album.unsorted.length ? "unsorted" : "people";
  }

  function route() {
    const first = shownHash === null;
    const known = history.state;
    const state = known || { depth: first ? 0 : depth + 1, y: 0 };
    history.replaceState(state, "");
    depth = state.depth;
    shownHash = location.hash;
    show(viewOf(location.hash), state.y > 0);
    scrollTo(0, state.y);
    // Come to the overview by a link, not by Back: there is no place to return to but the face.
    if (!known && !overview.hidden && opened) opened.scrollIntoView({ block: "center" });
    if (!first) moveFocus();
  }

  function show(view, whole) {
    overview.hidden = view !== "people";
    detail.hidden = view === "people";
    clearTimeout(building);
    detail.replaceChildren();
    delete root.dataset.photos;
    document.title = heading;
    if (view === "unsorted") showPhotos("Photos with nobody", album.unsorted, -1, whole);
    if (view.startsWith("person-")) {
      const place = places.get(Number(view.slice(7)));
      opened = faces[place];
      showPhotos(people[place].title, people[place].photos, place, whole);
    }
    root.dataset.view = view;
  }

  function moveFocus() {
    const target = wanted || (overview.hidden ? byId("title") : opened);
    wanted = null;
    if (target) target.focus({ preventScroll: true });
  }

  function rememberScroll() {
    if (location.hash === shownHash) history.replaceState({ depth, y: scrollY }, "");
  }

  function back() {
    if (depth > 0) history.back();
    else location.hash = "people";
  }

  // --- the filter -------------------------------------------------------------------------------

  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const titles = people.map((person) => plain(person.title));

  function narrow() {
    const words = plain(filter.value).split(/\s+/).filter(Boolean);
    let found = 0;
    faces.forEach((face, place) => {
      const fits = words.every((word) => titles[place].includes(word));
      face.parentElement.hidden = !fits;
      found += fits;
    });
    for (const group of overview.querySelectorAll(".group")) {
      group.hidden = !group.querySelector("li:not([hidden])");
    }
    byId("found").textContent = !words.length ? "" : found === 0
      ? "Nobody of that name" : found + " of " + faces.length;
  }

  const visibleFaces = () => faces.filter((face) => !face.parentElement.hidden);

  function filterKey(event) {
    const [face] = visibleFaces();
    if (event.key === "Escape") {
      if (filter.value) {
        filter.value = "";
        narrow();
      } else filter.blur();
    } else if (face && event.key === "ArrowDown") face.focus();
    else if (face && event.key === "Enter" && filter.value) face.click();
    else return;
    event.preventDefault();
  }

  function toFilter() {
    if (overview.hidden) {
      wanted = filter;
      location.hash = "people";
    } else filter.focus();
  }

  // --- keys -------------------------------------------------------------------------------------

  /** The nearest item in the next row up or down. */
  function acrossRows(items, from, down) {
    const boxes = items.map((item) => item.getBoundingClientRect());
    const start = boxes[from];
    const beyond = boxes.map((box, place) => ({ box, place })).filter(({ box }) =>
      down ? box.top >= start.bottom : box.bottom <= start.top);
    if (!beyond.length) return from;
    const edges = beyond.map(({ box }) => (down ? box.top : -box.top));
    const edge = edges.reduce((low, value) => Math.min(low, value));
    const middle = (box) => box.left + box.width / 2;
    const row = beyond.filter((_, place) => edges[place] - edge < 2);
    const off = ({ box }) => Math.abs(middle(box) - middle(start));
    return row.reduce((best, other) => (off(other) < off(best) ? other : best)).place;
  }

  function target(key, items, from) {
    if (key === "Home") return 0;
    if (key === "End") return items.length - 1;
    if (key === "ArrowUp" || key === "ArrowDown") return acrossRows(items, from, key === "ArrowDown");
    const forward = (key === "ArrowRight") === (getComputedStyle(root).direction === "ltr");
    return Math.min(Math.max(from + (forward ? 1 : -1), 0), items.length - 1);
  }

  function moveTo(event) {
    const items = overview.hidden ? [...detail.querySelectorAll(".photo")] : visibleFaces();
    const from = items.indexOf(document.activeElement);
    const fromTitle = document.activeElement === byId("title") && event.key === "ArrowDown";
    if (!items.length || (from < 0 && !fromTitle)) return;
    items[from < 0 ? 0 : target(event.key, items, from)].focus();
    event.preventDefault();
  }

  const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

  function key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target === filter) filterKey(event);
    else if (event.key === "/") {
      event.preventDefault();
      toFilter();
    } else if (event.key === "Escape" && overview.hidden) back();
    else if (MOVES.includes(event.key) && !event.shiftKey) moveTo(event);
  }

  // --- begin ------------------------------------------------------------------------------------

  let scrolled = 0;
  history.scrollRestoration = "manual";
  byId("search").hidden = faces.length < 2;
  addEventListener("hashchange", route);
  addEventListener("pagehide", rememberScroll);
  addEventListener("click", rememberScroll, true);
  addEventListener("scroll", () => {
    clearTimeout(scrolled);
    // Safari allows a hundred changes of history in half a minute.
    scrolled = setTimeout(rememberScroll, 400);
  }, { passive: true });
  addEventListener("keydown", key);
  filter.addEventListener("input", narrow);
  // A browser that comes back to the page may have kept what was typed.
  addEventListener("pageshow", narrow);
  route();
})();
