/** One line of the table. */
export interface Row {
  readonly what: string;
  /** What was measured, with its unit. */
  readonly ours: string;
  /** What it is held against. */
  readonly against: string;
  /** Undefined where it could not be measured here; `against` says why. */
  readonly value: number | undefined;
  readonly floor: Floor | undefined;
  /** Told, and no reason to fail. */
  readonly informs?: boolean;
}

export interface Floor {
  readonly kind: 'at most' | 'at least' | 'below';
  readonly value: number;
  readonly unit: '×' | 'MB' | 'ms';
}

/** Whether nothing of the row is a reason to fail. */
export function meets(row: Row): boolean {
  return row.informs === true || isWithin(row);
}

function isWithin({ value, floor }: Row): boolean {
  if (value === undefined || floor === undefined) return true;
  if (floor.kind === 'at least') return value >= floor.value;
  return floor.kind === 'below' ? value < floor.value : value <= floor.value;
}

export function renderTable(rows: readonly Row[]): string {
  const cells = rows.map((row) => [row.what, row.ours, row.against, resultOf(row), floorOf(row), verdictOf(row)]);
  const table = [['', 'Runyard', 'against', 'result', 'floor', ''], ...cells];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  const [head, ...body] = table.map(line);
  return [head, '-'.repeat(Math.max(...body.map(({ length }) => length))), ...body, ''].join('\n');
}

function resultOf({ value, floor }: Row): string {
  if (value === undefined) return 'skipped';
  return floor === undefined || floor.unit === '×' ? `${value.toFixed(2)} ×` : `${value.toFixed(0)} ${floor.unit}`;
}

function floorOf({ floor }: Row): string {
  return floor === undefined ? '' : `${floor.kind} ${floor.value} ${floor.unit}`;
}

function verdictOf(row: Row): string {
  if (row.value === undefined || row.floor === undefined) return '';
  if (isWithin(row)) return 'ok';
  return row.informs === true ? 'over' : 'MISSED';
}
