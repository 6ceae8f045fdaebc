import { bytes, where } from './report-text.mjs';
import { short, table } from './table.mjs';

/** The part of the page that comes from curves.json. */
export function reportCurves({ about, curves }, draw) {
  return [
    {
      mark: 'curves',
      text: [where(about), ...curves.map(tableOf)].join('\n\n'),
      // two points are not a curve
      charts: curves.filter(({ points }) => points.length > 2).flatMap((curve) => chartsOf(curve, draw)),
    },
  ];
}

function tableOf({ title, points }) {
  const columns = columnsOf(points);
  const rows = points.map(({ at, contenders }) => [
    title.endsWith('bytes') ? bytes(at) : String(at),
    ...columns.map(({ figure, name }) => short(contenders[name][figure].median)),
  ]);
  return table([title, ...columns.map(({ figure, name }) => `${name}: ${figure}`)], rows);
}

function chartsOf({ id, title, points }, { lineChart }) {
  const figures = [...new Set(columnsOf(points).map(({ figure }) => figure))];
  return figures.map((figure, i) => {
    const series = Object.keys(points[0].contenders).map((name) => ({
      name,
      values: points.map(({ contenders }) => contenders[name][figure].median),
    }));
    const svg = lineChart({
      title: `${figure} by ${title}`,
      unit: figure,
      xName: title,
      points: points.map(({ at }) => at),
      series,
      isLogarithmic: figure.startsWith('microseconds'),
    });
    return { name: `curve-${id}-${i + 1}`, alt: `${figure} by ${title}`, svg };
  });
}

/** A column for each figure and contender. */
function columnsOf(points) {
  const [{ contenders }] = points;
  const names = Object.keys(contenders);
  return Object.keys(contenders[names[0]]).flatMap((figure) => names.map((name) => ({ figure, name })));
}
