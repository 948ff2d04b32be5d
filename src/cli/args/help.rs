//! What `--help` says. The first line of a verb's text is its usage, which complaints quote.

/// `bellwire --version`.
pub(crate) const VERSION: &str = concat!("bellwire ", env!("CARGO_PKG_VERSION"), "\n");

pub(super) const ALL: &str = "\
bellwire: a WebSocket connection manager for small machines

  bellwire [run]                           run the servers and clients in the foreground
  bellwire check                           validate the configuration and print every fault
  bellwire status                          servers, clients, bindings, counts, uptime
  bellwire reload [--dry-run]              read the configuration again
  bellwire server list|start|stop          servers: what they do, start one, stop one
  bellwire client list|connect|disconnect  clients: how they are connected, connect one, disconnect one
  bellwire client test ID|URL|-            dial by hand, and see where it fails
  bellwire client new URL|-                a URL as a [[client]] of the configuration
  bellwire send ID [TEXT]                  send a message
  bellwire connections [ID]                live connections
  bellwire kick CONN                       close a connection
  bellwire respond REQ                     answer a held HTTP request
  bellwire events [ID…]                    what happens, as it happens
  bellwire hash-password                   the hash of a password, for a user list

Options:
  -c, --config FILE    the configuration file; else $BELLWIRE_CONFIG, ./bellwire.toml (not as root),
                       /etc/bellwire/bellwire.toml; when there is none at all, the built-in default
      --socket PATH    where the daemon is; else $BELLWIRE_SOCKET, the configuration's, the user's default,
                       /run/bellwire/bellwire.sock
      --json           for programs: JSON on stdout
      --timeout TIME   how long to wait for an answer, such as 500ms, 10s (the default) or 1min
  -q                   say only what is wrong
  -v                   say more; -vv says everything
  -h, --help           this, or the help of a verb: bellwire send --help
  -V, --version        the version
  --                   what follows is no option, though it may begin with a dash

Exit status: 0 done; 1 failed; 2 wrong usage; 3 the daemon is not running, or the client not connected; 4 no such id;
5 timed out; 78 configuration fault.
";

pub(super) const RUN: &str = "\
bellwire [run] [-c FILE] [-q | -v | -vv]

Runs the servers and clients of the configuration in the foreground and logs to stderr. Without any configuration file,
the built-in default runs: an echo server on 127.0.0.1:8080 with a page to try it. SIGTERM and SIGINT end it gracefully.

  -c, --config FILE    the configuration file
  -q                   log errors only; overrides log in [daemon]
  -v                   log debug messages; -vv traces
";

pub(super) const CHECK: &str = "\
bellwire check [-c FILE] [-q] [--json]

Validates the configuration, opens every file it names, and prints every fault to stderr, each as
file:line:column: what is wrong, and what is allowed. Exits with 78 on any fault.

  -c, --config FILE    the configuration file
  -q                   faults only: no warnings, no summary
      --json           faults and warnings to stdout, one JSON object a line:
                       {\"kind\": \"fault\" or \"warning\", \"file\", \"line\", \"column\", \"what\"}; line and column are null
                       when the file cannot be read
";

pub(super) const STATUS: &str = "\
bellwire status [--json]

Prints the daemon's version and uptime, its servers and clients, and what it has counted. A server or client that a
command has brought into another state than the file says is marked.

      --json           the whole as one JSON object

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const RELOAD: &str = "\
bellwire reload [--dry-run] [--json]

Has the daemon read its configuration again, as SIGHUP does, and prints what was started, stopped and changed. A faulty
file is refused whole: its faults are printed, nothing changes, and the exit status is 78.

      --dry-run        only print what would be started, stopped and changed
      --json           {\"started\", \"stopped\", \"changed\", \"kept\"}, each a list

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const SERVER: &str = "\
bellwire server list [ID] | start ID | stop ID [--json]

  list                 all servers, or one: state, bindings, connections
  start                bind its addresses and accept connections
  stop                 close its connections with 1001, and its bindings

What start and stop did lasts through a reload that does not change the server, until the daemon ends.

      --json           the servers as a JSON array; of start and stop the server

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const CLIENT: &str = "\
bellwire client list [ID] | connect ID | disconnect ID | test ID|URL|- | new URL|- [--json]

  list                 all clients, or one: state, since when, and why it is not connected
  connect              connect it now
  disconnect           close it, and do not reconnect
  test                 dial by hand: bellwire client test --help
  new                  a URL as a [[client]] block: bellwire client new --help

What connect and disconnect did lasts through a reload that does not change the client, until the daemon ends.

      --json           the clients as a JSON array; of connect and disconnect the client

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const CLIENT_TEST: &str = "\
bellwire client test ID|URL|- [-c FILE] [--timeout TIME] [--json]

Dials a client of the configuration, or a URL, by hand: DNS, TCP, TLS, upgrade, ping, each with its time, or the cause of
the failure. The daemon need not run.

  -                    read the URL from stdin, so that a password in it is not in the process list
  -c, --config FILE    the configuration file that has the ID
      --timeout TIME   for the whole, such as 500ms, 10s (the default) or 1min
      --json           one JSON object
";

pub(super) const CLIENT_NEW: &str = "\
bellwire client new URL|- [--id ID]

Prints a [[client]] block for the configuration, with host, port, TLS and parameters from the URL.

  -                    read the URL from stdin, so that a password in it is not in the process list
      --id ID          its id: letters, digits and underscores
";

pub(super) const SEND: &str = "\
bellwire send ID [--to CONN | --except CONN | --user NAME] [--binary] [--file F|-] [TEXT]

Sends one message to the connections of a server, or over a client, and prints how many it reached. It is TEXT, or what is
in a file, or what stdin has. A text that begins with a dash stands after --.

      --to CONN        to this connection only, such as c42
      --except CONN    to all but this one
      --user NAME      to the connections of this user
      --binary         a binary message; else the message is text, which has to be UTF-8
      --file F         the message is in this file, of up to 64 MiB; - is stdin
      --json           {\"reached\": how many connections}

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const CONNECTIONS: &str = "\
bellwire connections [ID] [--json]

Lists the live connections, of one server or client or of all: id, source, peer, user, age, messages and bytes each way.

      --json           a JSON array

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const KICK: &str = "\
bellwire kick CONN [--code N] [--reason TEXT]

Closes a connection, such as c42.

      --code N         the close code: 1000 to 1003, 1007 to 1014, 3000 to 4999; 1008 (policy violation) when none is given
      --reason TEXT    the reason that the peer is told, at most 123 bytes

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const RESPOND: &str = "\
bellwire respond REQ [--status N] [--type T] [--text T | --file F|- | --redirect URL] [--header 'K: V']… [--cookie 'k=v; …']…

Answers an HTTP request that is held open, such as r7; bellwire events shows them.

      --status N       the status code; when none is given, 302 with --redirect and 200 otherwise
      --type T         the Content-Type; when none is given, what the file's name says, else text/plain; charset=utf-8, or
                       application/octet-stream for what is no UTF-8
      --text T         the body
      --file F         the body is in this file, of up to 64 MiB; - is stdin
      --redirect URL   where to go instead
      --header 'K: V'  a further field; may be repeated
      --cookie C       a cookie to be set, name=value and its attributes after semicolons; may be repeated

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const EVENTS: &str = "\
bellwire events [ID…] [--kind K]… [--json]

Prints what happens, a line an event, until it is interrupted: of these servers and clients, or of all.

      --kind K         only events of this kind; may be repeated: server_started, server_stopped, connect, disconnect,
                       message, http_request, client_connected, client_disconnected, client_retrying, dropped, lost
      --json           the event objects, one a line

Options that all verbs have, and exit statuses: bellwire --help
";

pub(super) const HASH_PASSWORD: &str = "\
bellwire hash-password

Reads a password from the terminal, without showing it, or from stdin, and prints its hash for a user list.
";
