// The dialog that creates a storage: only the formats that the technology holds, only the options of the format, and the
// command that does the same.
function showCreation() {
  const form = document.querySelector("#dialog-form"), technology = form?.elements.technology;
  if (!technology) return;
  const format = form.elements.format;
  const show = () => {
    const refused = new Set();
    for (const list of form.querySelectorAll("[data-refusals]")) {
      list.hidden = list.dataset.refusals !== technology.value;
      if (!list.hidden) for (const line of list.children) refused.add(line.dataset.format);
    }
    for (const option of format.options) option.disabled = refused.has(option.value);
    if (format.selectedOptions[0]?.disabled) format.value = [...format.options].find((one) => !one.disabled).value;
    for (const options of form.querySelectorAll("[data-options]")) {
      options.hidden = options.disabled = options.dataset.options !== format.value;
      for (const field of options.querySelectorAll("[data-required]")) field.required = !options.hidden;
    }
    form.querySelector("#command").textContent = command(form);
  };
  form.oninput = form.onchange = show;
  show();
}

function command(form) {
  const { technology, format, name } = form.elements;
  const told = [`millrace storages create ${technology.value}/${format.value}/${name.value.trim() || "NAME"}`];
  for (const field of form.querySelectorAll(`[data-options="${format.value}"] [name]`)) {
    const value = field.value.trim(), option = field.name.split(".")[1].replaceAll("_", "-");
    if (value) told.push(`--${option} ${field.nodeName === "TEXTAREA" ? "FILE" : /^[\w,.-]+$/.test(value) ? value : `'${value}'`}`);
  }
  return told.join(" ");
}

addEventListener("visited", showCreation);
showCreation();
