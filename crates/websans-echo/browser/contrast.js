// The body of a function: measures every visible text, field border and placeholder against its ground by the contrast ratio
// of WCAG 2.2, and returns how many it measured and which are too poor.

const parse = (color) => {
  const parts = color.match(/[\d.]+/g).map(Number);
  const [r, g, b] = color.startsWith("color(srgb") ? parts.map((part) => part * 255) : parts;
  return { r, g, b, alpha: parts[3] ?? 1 };
};

const linear = (byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4);
const luminance = ({ r, g, b }) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

const ratio = (one, other) => {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};

const ground = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color.alpha === 1) return color;
    if (color.alpha !== 0) throw new Error(`${at.tagName} has a translucent background`);
  }
  return parse("rgb(255, 255, 255)");
};

const poor = [];
let measured = 0;
const measure = (name, color, against, least) => {
  measured += 1;
  const found = ratio(parse(color), against);
  if (found < least) poor.push(`${name} ${found.toFixed(2)} instead of ${least}`);
};

for (const element of document.querySelectorAll("body *:not(script, template, noscript)")) {
  if (!element.checkVisibility({ visibilityProperty: true })) continue;
  const style = getComputedStyle(element);
  const name = `${element.tagName.toLowerCase()} ${element.id || element.className}`;
  const field = element.matches(".field");
  const speaks = Array.from(element.childNodes).some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim() !== "");
  if (speaks || field) measure(name, style.color, ground(element), 4.5);
  if (field && element.matches(":enabled")) {
    measure(`${name}, border`, style.borderTopColor, ground(element.parentElement), 3);
  }
  if (field && element.placeholder) {
    measure(`${name}, placeholder`, getComputedStyle(element, "::placeholder").color, ground(element), 4.5);
  }
}
return [measured, poor];
