const brush = Object.assign(document.createElement('canvas'), {width: 1, height: 1})
  .getContext('2d', {willReadFrequently: true});
const painted = new Map();
/** Red, green, blue and alpha of a colour, from 0 to 1. */
function colour(text) {
  if (!painted.has(text)) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = text;
    brush.fillRect(0, 0, 1, 1);
    painted.set(text, [...brush.getImageData(0, 0, 1, 1).data].map(part => part / 255));
  }
  return painted.get(text);
}
const over = ([r, g, b, a], below) => [r, g, b].map((part, at) => part * a + below[at] * (1 - a)).concat(1);
function luminance(parts) {
  const [r, g, b] = parts.map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function ratio(one, other) {
  const [dark, bright] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (bright + 0.05) / (dark + 0.05);
}
const known = new Map([[null, {ground: colour('Canvas'), opacity: 1}]]);
/** What an element's content stands on, and how much of the content is to be seen. */
function around(element) {
  if (!known.has(element)) {
    const {ground, opacity} = around(element.parentElement), style = getComputedStyle(element);
    known.set(element, {ground: over(colour(style.backgroundColor), ground), opacity: opacity * style.opacity});
  }
  return known.get(element);
}
const faint = [];
function judge(element, text, style) {
  const ink = colour(element instanceof SVGElement ? style.fill : style.color).slice();
  const {ground: below, opacity} = around(element);
  ink[3] *= opacity;
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  const found = ratio(over(ink, below), below);
  if (found < (large ? 3 : 4.5)) {
    faint.push(`${found.toFixed(2)} "${text.trim().slice(0, 40)}" ${element.tagName}#${element.id}.${element.getAttribute('class')}`
      + ` ${style.color} on ${below.slice(0, 3).map(part => Math.round(part * 255))}`);
  }
}
const isSeen = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true})
  && !element.closest(':disabled, [aria-disabled=true]');
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const node = texts.currentNode, element = node.parentElement;
  if (!node.data.trim() || !isSeen(element)) continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const box = range.getBoundingClientRect(), own = element.getBoundingClientRect();
  if (box.width < 2 || box.height < 2 || own.width < 2 || own.height < 2) continue;
  judge(element, node.data, getComputedStyle(element));
}
for (const field of document.querySelectorAll('input:not([type=hidden]), textarea')) {
  if (!isSeen(field)) continue;
  if (field.value) judge(field, field.value, getComputedStyle(field));
  else if (field.placeholder) judge(field, field.placeholder, getComputedStyle(field, '::placeholder'));
}
return faint;
