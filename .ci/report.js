// Reads vitest's JSON report for .ci/run: counts | failed-files | failures.
import { readFileSync } from "node:fs";
import { relative } from "node:path";

const [what, file] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, "utf8"));
const failedFiles = report.testResults.filter(({ status }) => status === "failed");

const answers = {
  counts: () => `${report.numPassedTests} ${report.numFailedTests}`,
  "failed-files": () => failedFiles.map(({ name }) => relative(process.cwd(), name)).join("\n"),
  failures: () =>
    failedFiles
      .flatMap(({ name, message, assertionResults }) => {
        const failed = assertionResults.filter(({ status }) => status === "failed");
        const lines = failed.map(
          (test) => `${test.fullName}: ${firstLine(test.failureMessages[0])}`,
        );
        return (lines.length > 0 ? lines : [firstLine(message)]).map(
          (line) => `${relative(process.cwd(), name)}: ${line}`,
        );
      })
      .join("\n"),
};

/** @param {string | undefined} text */
function firstLine(text) {
  return (text ?? "").split("\n", 1)[0];
}

console.log(answers[what]());
