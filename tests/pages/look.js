// What is to be known of a page that somebody looks at, as JSON.
(() => {
  const parse = (color) => {
    const parts = color.match(/[\d.]+/g).map(Number);
    return { rgb: parts.slice(0, 3), alpha: parts.length > 3 ? parts[3] : 1 };
  };
  const over = (top, below) => top.rgb.map((part, n) => part * top.alpha + below[n] * (1 - top.alpha));
  // What stands behind an element: its own ground and those of all around it, down to the canvas.
  const ground = (element) => {
    const all = [];
    for (let at = element; at; at = at.parentElement) {
      const own = parse(getComputedStyle(at).backgroundColor);
      if (own.alpha > 0) all.push(own);
      if (own.alpha === 1) break;
    }
    return all.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  // WCAG 2.2, relative luminance and contrast ratio.
  const luminance = (rgb) => {
    const linear = rgb.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const pale = [];
  let texts = 0;
  const judge = (element, style, text) => {
    texts += 1;
    const svg = element instanceof SVGElement;
    const below = ground(svg ? element.closest("svg").parentElement : element);
    const ink = parse(svg ? style.fill : style.color);
    const ratio = contrast(over(ink, below), below);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) pale.push(`${ratio.toFixed(2)}: ${text.trim().slice(0, 60)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const range = document.createRange();
    range.selectNodeContents(node);
    if (!node.data.trim() || !range.getClientRects().length) continue;
    judge(node.parentElement, getComputedStyle(node.parentElement), node.data);
  }
  for (const element of document.body.querySelectorAll("*")) {
    const style = getComputedStyle(element, "::before");
    const drawn = style.content !== "none" && style.content !== "normal" && style.display !== "none";
    if (drawn && element.getClientRects().length) judge(element, style, style.content);
  }
  const wide = [];
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.right > innerWidth + 1 && !element.closest("svg")) wide.push(element.outerHTML.slice(0, 80));
  }
  const interactive = "a[href], button, input, select, textarea, summary, [tabindex]";
  return JSON.stringify({
    title: document.title,
    word: document.querySelector(".word")?.textContent ?? "",
    texts,
    pale,
    scrolls: document.documentElement.scrollWidth > innerWidth,
    wide: wide.slice(0, 3),
    interactive: document.querySelectorAll(interactive).length,
    height: document.documentElement.scrollHeight,
    scripts: document.scripts.length,
    unnamed: [...document.querySelectorAll("svg[role=img]")].filter((svg) =>
      !svg.getAttribute("aria-label") && !svg.querySelector("title")).length,
    headless: [...document.querySelectorAll("th")].filter((th) => !th.scope).length,
    language: document.documentElement.lang,
  });
})()
