(function () {
  const form = document.getElementById("filter");
  const cards = Array.from(document.querySelectorAll(".card"));
  const count = document.getElementById("count");
  function apply() {
    const wanted = new FormData(form);
    let shown = 0;
    for (const card of cards) {
      const fits = ["role", "label", "verdict"].every(key => !wanted.get(key) || card.dataset[key] === wanted.get(key));
      card.hidden = !fits;
      shown += fits;
    }
    count.textContent = shown ? `${shown} of ${cards.length} shown` : "None of the pictures fits: choose otherwise.";
  }
  form.addEventListener("change", apply);
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  apply();
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach(details => { details.open = true; }));
})();
