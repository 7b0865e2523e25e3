// What must hold of every view: nothing is cut off or off the glass, and the rules of WCAG 2.2 AA that a program can judge.
() => {
  const wrong = [];
  const say = (rule, node) => wrong.push(`${rule}: <${node.tagName.toLowerCase()} id=${node.id}> ${(node.textContent ?? "").trim().slice(0, 60)}`);
  const seen = (node) => node.checkVisibility({ visibilityProperty: true }) && node.getBoundingClientRect().width > 1 && !node.closest("svg, .unseen, #details, #camera, [inert]");
  const nodes = [...document.querySelectorAll("body *")].filter(seen);
  const scrolled = (node) => node.closest("#content") !== null;
  const content = document.querySelector("#content");
  const turner = document.querySelector("#turner");
  const dots = (node) => getComputedStyle(node).textOverflow === "ellipsis" || getComputedStyle(node).webkitLineClamp !== "none";

  for (const node of nodes) {
    const box = node.getBoundingClientRect();
    if (box.left < -1 || box.right > innerWidth + 1) say("off the glass, sideways", node);
    if (!scrolled(node) && (box.top < -1 || box.bottom > innerHeight + 1)) say("off the glass", node);
    const leaf = node.childElementCount === 0 && node.textContent.trim() !== "" && node.tagName !== "CANVAS";
    if (leaf && !dots(node) && node.clientWidth && node.scrollWidth > node.clientWidth + 1) say("cut off", node);
    if (node.matches("button, a, header, #tiles, #actions, #content, #where") && node.scrollWidth > node.clientWidth + 1) say("cut off sideways", node);
    if (node.matches("button, a, header, #where, #tiles") && node.scrollHeight > node.clientHeight + 2) say("cut off below", node);
  }
  if (seen(content) && content.scrollHeight > content.clientHeight + 1 && !(turner && seen(turner))) say("longer than the glass, and nothing turns the page", content);
  if (document.documentElement.scrollWidth > innerWidth || document.documentElement.scrollHeight > innerHeight) say("the page scrolls", document.body);

  const channel = (value) => ((value /= 255) <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length < 4 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  for (const node of nodes) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    if (!own || node.closest("[aria-disabled=true], [inert]")) continue;
    const style = getComputedStyle(node);
    const [a, b] = [luminance(numbers(style.color)), luminance(ground(node))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say(`1.4.3 contrast ${ratio.toFixed(2)}`, node);
  }

  for (const node of nodes.filter((one) => one.matches("button, a, input"))) {
    const name = node.getAttribute("aria-label") || node.textContent.trim() || node.closest("label")?.textContent.trim();
    if (!name) say("4.1.2 no name", node);
    const label = [...node.childNodes].map((child) => child.textContent.trim()).join(" ").trim();
    if (node.getAttribute("aria-label") && /\p{L}{2}/u.test(label) && !node.getAttribute("aria-label").toLowerCase().includes(label.toLowerCase())) say("2.5.3 label not in name", node);
    const box = node.getBoundingClientRect();
    if (Math.min(box.width, box.height) < (node.matches("label input") ? 24 : 48)) say("2.5.8 too small for a glove", node);
    if (node.closest("#content .tiles") && box.bottom > content.getBoundingClientRect().bottom + 1) say("to be pressed, but only after scrolling", node);
  }
  for (const node of nodes.filter((one) => one.matches("canvas, img"))) if (!node.getAttribute("aria-label") && !node.alt) say("1.1.1 no alternative", node);
  const ids = [...document.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) wrong.push("4.1.1 an id is there twice");
  if (!document.documentElement.lang) wrong.push("3.1.1 no language");
  if (!document.title) wrong.push("2.4.2 no title");
  if (/user-scalable=no|maximum-scale/.test(document.querySelector("meta[name=viewport]").content)) wrong.push("1.4.4 zoom is forbidden");
  for (const dialog of document.querySelectorAll("[role=dialog]:not([hidden])")) {
    if (!document.getElementById(dialog.getAttribute("aria-labelledby"))?.textContent) say("4.1.2 sheet without a name", dialog);
    if (!dialog.contains(document.activeElement)) say("2.4.3 focus is not in the sheet", dialog);
  }
  return wrong;
}
