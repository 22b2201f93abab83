// A long reply of everything that a model writes: text, lists, tables, code, formulas, quotes.

const words = 'the tram climbs a narrow street between tiled houses and turns at a small square where people wait in the shade of an old tree'.split(' ');
const sentence = (i: number, n: number) => Array.from({ length: n }, (_, k) => words[(i * 7 + k * k) % words.length]).join(' ');
const paragraph = (i: number) => `Round ${i}: ${sentence(i, 30)}, with **${sentence(i + 1, 3)}**, \`code_${i}\`, *${sentence(i + 2, 4)}* and $x_{${i}}^2 + \\frac{a}{b}$; ${sentence(i + 3, 40)}.`;
const list = (i: number) => Array.from({ length: 30 }, (_, k) => `${k % 3 === 2 ? '  ' : ''}- **${sentence(k, 2)}**: ${sentence(i + k, 12)} where $\\alpha_{${k}} = \\sqrt{${k + i}}$`).join('\n');
const table = (i: number) => ['| street | length | steps |', '| --- | ---: | :---: |', ...Array.from({ length: 25 }, (_, k) => `| ${sentence(i + k, 3)} | ${i * k} m | \`${k}\` |`)].join('\n');
const python = (i: number) => Array.from({ length: 40 }, (_, k) => `def step_${i}_${k}(x: int, name="${sentence(k, 2)}") -> str:\n    """${sentence(k, 6)}."""\n    return f"{name}: {x + ${k}}"  # ${sentence(i + k, 4)}\n`).join('\n');
const go = (i: number) => Array.from({ length: 40 }, (_, k) => `// Step${k} ${sentence(k, 6)}.\nfunc Step${i}x${k}(n int) (string, error) {\n\tif n < ${k} {\n\t\treturn "", fmt.Errorf("step %d: %w", n, errShort)\n\t}\n\treturn strings.Repeat("${sentence(k, 2)}", n), nil\n}\n`).join('\n');
const formula = (i: number) => `$$\\int_0^{${i}} \\sum_{k=1}^{n} \\frac{x^k}{k!}\\,dx = \\begin{pmatrix} a_{${i}} & b \\\\ c & d \\end{pmatrix}$$`;

/** As many rounds as that; about 5,000 tokens each. */
export function longReply(rounds: number): string {
  return Array.from({ length: rounds }, (_, i) => [
    `## Part ${i}`, paragraph(i), paragraph(i + 1), list(i), table(i), `> ${sentence(i, 30)}`, `\`\`\`python\n${python(i)}\`\`\``, formula(i), paragraph(i + 2), `\`\`\`go\n${go(i)}\`\`\``,
    `Then ${sentence(i, 20)}.`,
  ].join('\n\n')).join('\n\n');
}
