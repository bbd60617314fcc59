"use strict";
(() => {
  const main = document.getElementById("main");
  const largest = Number(main.dataset.largest), limit = Number(main.dataset.limit);
  const similarity = main.dataset.similarity === "" ? null : Number(main.dataset.similarity);
  const [files, drop, work, done, stop, status, shown, clear, results] = ["files", "drop", "work", "done", "stop", "status", "shown", "clear", "results"].map(id => document.getElementById(id));
  const ENDED = "kidneyct app has ended; start it again, then load this page anew";
  const FOLDER = "a folder; drop the images in it";
  const UNREADABLE = "can't be read; it was moved, changed or is no file";
  let waiting = [], counts, asking = null, working = false, cards = new Set();

  const percent = share => `${(100 * share).toFixed(2)}\u00a0%`;
  const made = id => document.getElementById(id).content.firstElementChild.cloneNode(true);
  const aborted = error => error.name === "AbortError";

  // The answer to a question; an Error with one line where there is none.
  async function ask(path, body, signal) {
    let response, answer;
    try {
      response = await fetch(path, { method: "POST", body, signal });
    } catch (error) {
      if (aborted(error)) throw error;
      throw Object.assign(new Error(ENDED), { ended: true });
    }
    try {
      answer = await response.json();
    } catch (error) {
      if (aborted(error)) throw error;
      throw new Error(`no answer (status ${response.status}); try again`);
    }
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  async function view(file, signal) {
    if (file.size > largest) throw new Error(main.dataset.tooLarge);
    let content;
    try {
      content = await file.arrayBuffer();
    } catch {
      throw new Error(UNREADABLE);
    }
    return ask("/predict", content, signal);
  }

  function start(added) {
    if (!added.length) return;
    if (!working) counts = { total: 0, done: 0, failed: 0 };
    waiting.push(...added);
    counts.total += added.length;
    shown.hidden = false;
    if (!working) run();
    else tell();
  }

  async function run() {
    working = true;
    work.hidden = false;
    tell();
    while (waiting.length) {
      const { file, name, amiss } = waiting.shift();
      asking = new AbortController();
      try {
        if (amiss) throw new Error(amiss);
        const answer = await view(file, asking.signal);
        add(name, answer);
        counts.done += 1;
        tell(`${name}: ${Object.entries(answer.models).map(([role, result]) => `${role} ${result.class} ${percent(result.probability)}`).join(", ")}.`);
      } catch (error) {
        if (aborted(error)) continue;
        counts.failed += 1;
        refuse(name, error.message);
        tell(`${name}: ${error.message}.`);
        if (error.ended) waiting = [];
      }
    }
    asking = null;
    working = false;
    work.hidden = true;
  }

  function tell(latest = "") {
    const finished = counts.done + counts.failed;
    done.max = counts.total;
    done.value = finished;
    const failed = counts.failed ? `, ${counts.failed} without a result` : "";
    status.textContent = `${finished} of ${counts.total} done${failed}. ${latest}`;
  }

  function refuse(name, line) {
    const item = made("failed");
    item.querySelector(".name").textContent = name;
    item.querySelector(".failure").textContent = line;
    results.append(item);
  }

  function add(name, answer) {
    const item = made("card");
    const find = selector => item.querySelector(selector);
    find(".name").textContent = name;
    const opinions = Array.from(item.querySelectorAll(".opinion"));
    for (const opinion of opinions) {
      const result = answer.models[opinion.dataset.role];
      const picture = opinion.querySelector(".picture");
      picture.src = answer.picture;
      picture.alt = `${name}, squeezed to a square`;
      opinion.querySelector(".class").textContent = result.class;
      opinion.querySelector(".probability").textContent = percent(result.probability);
      for (const [label, share] of Object.entries(result.probabilities)) {
        const bar = made("bar");
        bar.querySelector(".label").textContent = label;
        bar.querySelector(".number").textContent = percent(share);
        bar.querySelector(".fill").style.width = `${100 * share}%`;
        opinion.querySelector(".bars").append(bar);
      }
    }
    const all = Object.values(answer.models);
    const classes = new Set(all.map(result => result.class));
    find(".agreement").textContent = all.length < 2 ? "" : classes.size === 1 ? `Both models say ${all[0].class}.` : "The models disagree.";
    liken(find(".likeness"), answer, all[0]);
    follow(item, name, answer, opinions);
    results.append(item);
  }

  function liken(place, answer, { likeness, unlike }) {
    if (!answer.nearest) {
      place.querySelectorAll("figure").forEach(figure => { figure.hidden = true; });
      place.querySelector("p").textContent = "The model's file holds no training thumbnails, so likeness can't be told.";
      return;
    }
    place.querySelector(".own").src = answer.thumbnail;
    place.querySelector(".nearest").src = answer.nearest.thumbnail;
    const { name, label } = answer.nearest;
    const words = place.querySelector("p"), lead = document.createElement("span");
    const copy = similarity !== null && likeness > similarity;
    lead.className = unlike ? "unlike" : "alike";
    const both = Object.keys(answer.models).length > 1;
    lead.textContent = unlike ? `Looks unlike the training images: what the ${both ? "models say" : "model says"} of it means little.`
      : copy ? `Nearly one of the training images: the ${both ? "models" : "model"} may know it instead of judging it.`
      : limit <= -1 ? "" : "Looks like the training images.";
    const rest = [
      `Likeness ${likeness.toFixed(4)}: the correlation with the training image most like it${name === null ? "" : `, ${name} (${label})`}.`,
      limit <= -1 ? "All training images are of one series, so what counts as unlike is not known."
        : `Unlike is below ${limit.toFixed(4)}, as 1\u00a0% of the training images are when compared with other series.`,
      copy ? `Above ${similarity} two images count as slices of one series.` : "",
      "Likeness tells another kind of picture, not an unusual finding.",
    ];
    words.replaceChildren(lead, ` ${rest.filter(Boolean).join(" ")}`);
  }

  // A card's maps: computed when one is chosen, for one model after the other, and kept in the page.
  function follow(item, name, answer, opinions) {
    const find = selector => item.querySelector(selector);
    const method = find(".method"), opacity = find(".opacity"), output = find("output");
    const computing = find(".computing"), told = computing.querySelector(".told");
    const failure = find(".failure"), kept = new Map();
    const body = bytes(answer.picture);
    let asked = null;
    const card = { abort: () => asked && asked.abort() };
    cards.add(card);
    method.setAttribute("aria-label", `Map of ${name}`);
    opacity.setAttribute("aria-label", `Opacity of the map of ${name}`);

    function fade() {
      output.textContent = `${opacity.value} %`;
      for (const opinion of opinions) opinion.querySelector(".map").style.opacity = opacity.value / 100;
    }

    function draw(opinion, found, title) {
      const map = opinion.querySelector(".map"), words = opinion.querySelector(".explained");
      map.hidden = words.hidden = !found;
      if (!found) return;
      map.src = found.picture;
      map.alt = `${title} of the ${opinion.dataset.name} for ${found.class}`;
      words.textContent = found.evidence ? `For ${found.class}; its maximum is ${found.top.toPrecision(2)}.` : `For ${found.class}: no positive evidence.`;
    }

    async function choose() {
      card.abort();
      const own = asked = new AbortController();
      const wanted = method.value, title = method.selectedOptions[0].textContent;
      failure.hidden = true;
      opacity.disabled = find(".legend").hidden = !wanted;
      for (const opinion of opinions) draw(opinion, null);
      if (!wanted) {
        computing.hidden = true;
        return;
      }
      try {
        for (const [number, opinion] of opinions.entries()) {
          const key = `${opinion.dataset.role} ${wanted}`;
          if (!kept.has(key)) {
            computing.hidden = false;
            told.textContent = `Computing map ${number + 1} of ${opinions.length}, ${title} of the ${opinion.dataset.role}`;
            const query = new URLSearchParams({ role: opinion.dataset.role, method: wanted });
            kept.set(key, await ask(`/map?${query}`, body, own.signal));
          }
          draw(opinion, kept.get(key), title);
        }
        computing.hidden = true;
        status.textContent = `${name}: ${title} shown.`;
      } catch (error) {
        if (asked !== own) return;
        computing.hidden = true;
        if (aborted(error)) return;
        failure.textContent = error.message;
        failure.hidden = false;
        status.textContent = `${name}: ${error.message}.`;
      }
    }

    method.addEventListener("change", choose);
    opacity.addEventListener("input", fade);
    computing.querySelector(".cancel").addEventListener("click", () => {
      card.abort();
      method.value = "";
      choose();
      method.focus();
    });
    fade();
  }

  function bytes(uri) {
    return Uint8Array.from(atob(uri.slice(uri.indexOf(",") + 1)), letter => letter.charCodeAt(0));
  }

  const chosen = list => Array.from(list, file => ({ file, name: file.name }));

  function dropped(transfer) {
    const items = Array.from(transfer.items).filter(item => item.kind === "file");
    return items.map(item => {
      const entry = item.webkitGetAsEntry && item.webkitGetAsEntry();
      const file = item.getAsFile();
      return { file, name: file ? file.name : entry ? entry.name : "?", amiss: entry && entry.isDirectory ? FOLDER : file ? "" : UNREADABLE };
    });
  }

  files.addEventListener("change", () => {
    start(chosen(files.files));
    files.value = "";
  });
  addEventListener("dragover", event => {
    event.preventDefault();
    drop.classList.add("over");
  });
  addEventListener("dragleave", event => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  addEventListener("drop", event => {
    event.preventDefault();
    drop.classList.remove("over");
    const added = dropped(event.dataTransfer);
    if (added.length) start(added);
    else status.textContent = "No file in what was dropped; save the image first, then drop its file.";
  });
  function halt() {
    waiting = [];
    if (asking) asking.abort();
  }
  stop.addEventListener("click", () => {
    const left = counts.total - counts.done - counts.failed;
    halt();
    status.textContent = `Stopped; ${left} not done.`;
    files.focus();
  });
  clear.addEventListener("click", () => {
    halt();
    for (const card of cards) card.abort();
    cards = new Set();
    results.replaceChildren();
    shown.hidden = true;
    status.textContent = "Cleared.";
    files.focus();
  });
})();
