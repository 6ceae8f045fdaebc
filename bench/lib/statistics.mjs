/** The `q` quantile of the values, interpolated. */
export function quantile(values, q) {
  const sorted = Float64Array.from(values).sort();
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.ceil(at);
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** A summary of repeated measurements. The spread is their whole range relative to the median. */
export function summary(values) {
  const median = quantile(values, 0.5);
  return { median, spread: (Math.max(...values) - Math.min(...values)) / median, values };
}
