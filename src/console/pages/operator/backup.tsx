/** How the installation is backed up. Backups are made where it runs, so this page has the commands. */
import { CodeBlock } from "../../parts/copy.tsx";
import { Note } from "../../parts/note.tsx";

const FOLDER = "/var/backups/tributary";

const STEPS = [
  {
    title: "Make a backup",
    text: "While the servers run, or without them, with the variables that they are started with. Into a folder that does not exist yet: give each backup one of its own.",
    command: `npx tributary backup ${FOLDER}`,
  },
  {
    title: "Check it",
    text: "Every file and row is read; logs that belong to no branch are named.",
    command: `npx tributary verify ${FOLDER}`,
  },
  {
    title: "Restore it",
    text: "Into a new data directory. It checks first and writes over nothing.",
    command: `TRIBUTARY_DATA_DIR=/var/lib/restored npx tributary restore ${FOLDER}`,
  },
] as const;

/** The part "Backup". */
export function Backup() {
  return (
    <section className="card stack" aria-labelledby="backup-title">
      <h2 id="backup-title">Backup</h2>
      <p>
        A backup holds the control database, the logs, the cursors of sinks and the master key of
        the data directory, all of one point. The server keeps no list of backups: they are made by
        a command on its machine, such as by cron.
      </p>
      {STEPS.map(({ title, text, command }) => (
        <div className="stack" key={title}>
          <h3>{title}</h3>
          <p>{text}</p>
          <CodeBlock text={command} what={`the command “${title}”`} />
        </div>
      ))}
      <Note kind="warn">
        Keep the folder as safe as the master key in it. A key of the environment or of a KMS is not
        in it, nor are archives, which are copied after the backup, and file sinks.
      </Note>
    </section>
  );
}
