() => {
  const isSeen = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const style = getComputedStyle(one);
      if (style.display === "none" || style.visibility === "hidden") return false;
      if (one.classList.contains("unseen")) return false;
    }
    return true;
  };
  const luminance = (color) => {
    const parts = color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255);
    const linear = parts.map((x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const ground = getComputedStyle(document.body).backgroundColor;
  const texts = [], contrasts = {};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const parent = walk.currentNode.parentElement;
    const text = walk.currentNode.data.trim();
    if (!text || parent.closest("title") || !isSeen(parent)) continue;
    const svg = parent.closest("svg.chart");
    const color = getComputedStyle(parent)[svg ? "fill" : "color"];
    contrasts[color] = contrast(color, ground);
    const range = document.createRange();
    range.selectNodeContents(walk.currentNode);
    for (const box of range.getClientRects()) {
      if (box.width < 1 || box.height < 1) continue;
      // The characters are not as high as their line.
      const rest = 0.17 * box.height;
      texts.push({
        text: text.slice(0, 40), svg, scrolls: parent.closest(".scroll"),
        left: box.left + 1, right: box.right - 1, top: box.top + rest, bottom: box.bottom - rest,
      });
    }
  }
  const overlaps = [], cut = [];
  const width = document.documentElement.clientWidth;
  texts.forEach((one, place) => {
    for (const other of texts.slice(place + 1))
      if (one.left < other.right && other.left < one.right
          && one.top < other.bottom && other.top < one.bottom)
        overlaps.push([one.text, other.text, Math.round(one.top)]);
    if (!one.scrolls && (one.right > width + 1 || one.left < -1)) cut.push(one.text);
    const box = one.svg && one.svg.getBoundingClientRect();
    if (box && (one.left < box.left - 1.5 || one.right > box.right + 1.5
                || one.top < box.top - 1 || one.bottom > box.bottom + 1)) cut.push(one.text);
  });
  for (const one of document.querySelectorAll("td, th, p, h1, h2, h3, li, dd, dt, dd b"))
    if (isSeen(one) && one.clientWidth && one.scrollWidth > one.clientWidth + 1)
      cut.push(one.textContent.trim().slice(0, 40));
  return { overlaps, cut, contrasts, width: document.documentElement.scrollWidth };
}
