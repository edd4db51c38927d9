// Drawings in the page: elements of SVG.

const SVG_NAMESPACE = document.createRange().createContextualFragment("<svg/>").firstChild.namespaceURI;

/** An SVG element with attributes and children. */
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG_NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
