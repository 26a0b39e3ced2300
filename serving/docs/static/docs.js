// Sends what a form holds, and shows status, our headers and the body of the answer.
for (const form of document.forms) {
  form.onsubmit = async (event) => {
    event.preventDefault();
    const shown = form.querySelector("pre");
    shown.hidden = false;
    shown.textContent = "Asking…";
    try {
      const began = performance.now();
      const answer = await fetch(document.body.dataset.root + form.dataset.path, {
        method: "POST", headers: { "content-type": "application/json" }, body: form.querySelector("textarea").value,
      });
      const body = await answer.text(), took = performance.now() - began;
      const ours = [...answer.headers].filter(([name]) => name.startsWith("millrace-")).map(([name, value]) => `${name}: ${value}`);
      shown.textContent = [`${answer.status} ${answer.statusText} · ${took.toFixed(1)} ms`, ...ours, "", pretty(body)].join("\n");
    } catch (error) {
      shown.textContent = `No answer: ${error.message}`;
    }
  };
}

function pretty(text) {
  try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; }
}
