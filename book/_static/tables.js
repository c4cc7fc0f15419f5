// Tables: a click on a heading sorts by its column, again the other way round; below each table a button downloads it as
// CSV. What is shown as "1.0 [0.5, 1.5]" becomes three columns, the estimate and the ends of its interval; a number
// without an interval, such as one of the paper's, is an estimate alone.
{
  const NUMBER = /^[-+−]?\d+(\.\d+)?/;
  const PLAIN = /^[-+−]?\d+(\.\d+)?$/;
  const INTERVAL = /^([-+−]?[\d.]+)[^[\]]*\[([-+−]?[\d.]+), ([-+−]?[\d.]+)\]$/;
  const text = cell => (cell?.innerText ?? "").replace(/\s+/g, " ").trim();
  const value = cell => Number(text(cell).replace("−", "-").match(NUMBER)?.[0] ?? NaN);

  const compare = (first, second, numeric) => numeric
    ? value(first) - value(second)
    : text(first).localeCompare(text(second), "en", {numeric: true});

  const sort = (table, column) => {
    const heading = table.tHead.rows[0].cells[column], body = table.tBodies[0], rows = [...body.rows];
    const [filled, empty] = [true, false].map(has => rows.filter(row => has === Boolean(text(row.cells[column]))));
    const numeric = filled.every(row => NUMBER.test(text(row.cells[column])));
    const direction = heading.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", direction);
    filled.sort((one, other) => compare(one.cells[column], other.cells[column], numeric));
    body.append(...(direction === "ascending" ? filled : filled.reverse()), ...empty);
  };

  const makeSortable = table => [...table.tHead.rows[0].cells].forEach((heading, column) => {
    if (!text(heading)) return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...heading.childNodes);
    button.addEventListener("click", () => sort(table, column));
    heading.append(button);
  });

  const split = cells => {
    const values = cells.slice(1);
    const parts = values.map(cell => cell.match(INTERVAL)?.slice(1) ?? cell.match(PLAIN)?.slice(0, 1));
    if (!parts.some(part => part?.length === 3) || !parts.every((part, row) => part || !values[row])) return [cells];
    const columns = [0, 1, 2].map(place => parts.map(part => part?.[place]?.replace("−", "-") ?? ""));
    return columns.map((column, place) => [cells[0] + ["", ", low", ", high"][place], ...column]);
  };

  const csv = table => {
    // a cell that holds several values names them itself
    const values = cell => cell.dataset.csv?.split("|") ?? [text(cell)];
    const rows = [...table.tHead.rows, ...table.tBodies[0].rows].map(row => [...row.cells].flatMap(values));
    const columns = rows[0].flatMap((_, column) => split(rows.map(row => row[column] ?? "")));
    const quoted = cell => /[",]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
    return rows.map((_, row) => columns.map(column => quoted(column[row])).join(",")).join("\r\n") + "\r\n";
  };

  const offerCsv = (table, number) => {
    const button = document.createElement("button"), page = location.pathname.split("/").pop().replace(/\.html$/, "");
    button.type = "button";
    button.className = "csv";
    button.textContent = "Download as CSV";
    button.setAttribute("aria-label", `Download as CSV, table ${number} of this page`);
    button.addEventListener("click", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(table)], {type: "text/csv"}));
      link.download = `${page || "index"}-table-${number}.csv`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    });
    (table.closest(".scroll, .pst-scrollable-table-container, .cell_output .output") ?? table).after(button);
  };

  addEventListener("load", () => [...document.querySelectorAll("article table:not(.fixed)")]
    .filter(table => table.tHead?.rows.length === 1 && table.tBodies[0]?.rows.length > 1)
    .forEach((table, place) => {
      makeSortable(table);
      offerCsv(table, place + 1);
    }));
}
