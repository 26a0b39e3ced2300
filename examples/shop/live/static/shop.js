// A strip counts as seen when half of it is on the screen; it is told once.
"use strict";
const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    const { decision, items } = target.dataset;
    const body = JSON.stringify({ decision: decision || null, items: items.split(" ") });
    fetch("/seen", { method: "POST", body, keepalive: true });
  }
}, { threshold: 0.5 });
document.querySelectorAll("[data-strip]").forEach((strip) => seen.observe(strip));
