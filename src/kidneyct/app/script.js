"use strict";
(() => {
  const id = name => document.getElementById(name);
  const { largest, limit, similarity } = id("main").dataset;
  const percent = share => `${(100 * share).toFixed(2)}\u00a0%`;
  const made = name => id(name).content.firstElementChild.cloneNode(true);
  let cards = [], turn = Promise.resolve(), asking = new AbortController();

  async function ask(file, method) {
    if (file.size > largest) throw new Error(`larger than ${largest / 2 ** 20} MiB; make it smaller`);
    const response = await fetch(`/predict?method=${method}`, { method: "POST", body: file, signal: asking.signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.error);
    return answer;
  }

  // One question after the other, in the order in which they were put.
  function answer(card) {
    const method = id("method").value;
    turn = turn.then(async () => {
      if (!cards.includes(card) || method !== id("method").value) return;
      id("status").textContent = `${card.file.name}: asked`;
      try {
        show(card, await ask(card.file, method));
        id("status").textContent = `${card.file.name}: answered`;
      } catch (error) {
        if (error.name === "AbortError") return;
        const lost = error instanceof TypeError ? "no answer: the file can't be read, or kidneyct app has ended" : error.message;
        card.find(".remark").textContent = lost;
        id("status").textContent = `${card.file.name}: ${lost}`;
      }
    });
  }

  function show(card, { models, picture }) {
    for (const opinion of card.item.querySelectorAll(".opinion")) {
      const find = selector => opinion.querySelector(selector);
      const result = models[opinion.dataset.role], map = find(".map");
      find(".picture").src = picture;
      find(".verdict").textContent = `${result.class} ${percent(result.probability)}`;
      find(".bars").replaceChildren(...Object.entries(result.probabilities).map(([label, share]) => {
        const bar = made("bar");
        bar.querySelector(".label").textContent = label;
        bar.querySelector(".number").textContent = percent(share);
        bar.querySelector(".fill").style.width = `${100 * share}%`;
        return bar;
      }));
      map.hidden = !result.map;
      if (result.map) map.src = result.map;
      map.alt = result.map ? `map for ${result.class}` : "";
      find(".explained").textContent = !result.map ? "" : `${id("method").selectedOptions[0].text}, for ${result.class}: ${result.evidence ? `brightest at ${result.top.toPrecision(2)}` : "no positive evidence"}.`;
    }
    const { likeness, unlike } = Object.values(models)[0], remark = card.find(".remark");
    remark.classList.toggle("unlike", unlike === true);
    card.find(".opinions").hidden = false;
    remark.textContent = likeness === null ? "The model's file holds no training thumbnails, so likeness can't be told."
      : `${unlike ? "Looks unlike the training images: what is said of it means little."
        : likeness > similarity ? "Nearly one of the training images: it may be known instead of judged."
        : limit > -1 ? "Looks like the training images." : ""} Likeness ${likeness.toFixed(4)}; unlike is below ${Number(limit).toFixed(4)}.`;
  }

  function add(files) {
    for (const file of files) {
      const item = made("card"), find = selector => item.querySelector(selector);
      find(".name").textContent = file.name;
      find(".opinions").hidden = true;
      id("results").append(item);
      cards.push({ file, item, find });
      answer(cards.at(-1));
    }
  }

  function stop() {
    asking.abort();
    asking = new AbortController();
  }

  const fade = () => id("results").style.setProperty("--opacity", id("opacity").value / 100);
  id("files").addEventListener("change", event => {
    add(event.target.files);
    event.target.value = "";
  });
  id("sample").addEventListener("click", () => fetch("/sample.png").then(async sent => add([new File([await sent.blob()], "generated.png")])).catch(() => { id("status").textContent = "no answer: kidneyct app has ended"; }));
  id("opacity").addEventListener("input", fade);
  id("method").addEventListener("change", () => {
    stop();
    cards.forEach(answer);
  });
  id("clear").addEventListener("click", () => {
    stop();
    cards = [];
    id("results").replaceChildren();
    id("status").textContent = "";
  });
  fade();
})();
