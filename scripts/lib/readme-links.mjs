const FENCED = /(^[ \t]*(?:```|~~~)[\s\S]*?^[ \t]*(?:```|~~~)[ \t]*$)/m;
const FENCED_OR_CODE = /(^[ \t]*(?:```|~~~)[\s\S]*?^[ \t]*(?:```|~~~)[ \t]*$|`[^`\n]+`)/m;
/** Code within a line, which is skipped, or a link, whose label may have code in it. */
const CODE_OR_LINK = /`[^`\n]+`|(!?)\[((?:`[^`\n]+`|[^[\]`]|\[[^\]]*\](?:\([^)]*\))?)*)\]\(([^)\s]+)\)/g;

/**
 * A document with absolute links in place of relative ones, for a page on which relative ones lead nowhere. `address` is
 * that of the repository's own page, and `isFolder` says whether a path is a folder. GitHub and GitLab, from which npm
 * takes provenance statements, both show files under these addresses.
 */
export function withAbsoluteLinks(text, address, isFolder) {
  return changeLinks(text, ({ whole, mark, label, target }) => {
    const inner = withAbsoluteLinks(label, address, isFolder);
    if (/^[\w+.-]+:|^#/.test(target)) return whole;
    const kind = mark === '!' ? 'raw' : isFolder(target.split('#')[0]) ? 'tree' : 'blob';
    return `${mark}[${inner}](${address}/${kind}/main/${target})`;
  });
}

/** The inverse of {@link withAbsoluteLinks}. */
export function withRelativeLinks(text, address) {
  const literal = address.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  return text.replace(new RegExp(`\\]\\(${literal}/(?:raw|tree|blob)/main/`, 'g'), '](');
}

/** Replaces links, but for those in code, by what `change` gives for them. */
export function changeLinks(text, change) {
  return outside(FENCED, text, (part) =>
    part.replace(CODE_OR_LINK, (whole, mark, label, target) =>
      target === undefined ? whole : change({ whole, mark, label, target }),
    ),
  );
}

/** Changes what is not code. */
export function changeProse(text, change) {
  return outside(FENCED_OR_CODE, text, change);
}

function outside(pattern, text, change) {
  return text
    .split(pattern)
    .map((piece, at) => (at % 2 === 0 ? change(piece) : piece))
    .join('');
}
