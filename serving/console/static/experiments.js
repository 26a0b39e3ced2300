// The dialog that starts an experiment: only the implementations of the chosen endpoint type, and a period where one is
// asked for.
function showImplementations() {
  const form = document.querySelector("#dialog-form"), endpoint = form?.elements.endpoint;
  if (!endpoint) return;
  const show = () => {
    for (const part of form.querySelectorAll("[data-endpoint]"))
      part.hidden = part.disabled = part.dataset.endpoint !== endpoint.value;
    const { allocation, period } = form.elements;
    period.disabled = period.parentNode.hidden = allocation.value === "fixed";
  };
  form.onchange = show;
  show();
}

addEventListener("visited", showImplementations);
showImplementations();
