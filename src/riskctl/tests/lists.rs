//! The list commands at a running daemon: what is exported is read back, from files and from standard input.

use std::io::Write;
use std::process::{Command, Stdio};

use server::{Config, Server};

const RULES: &str = "lists:\n  networks: { on: ip, action: deny }\n  words: { on: text }\n";

#[test]
fn what_is_exported_is_imported_and_what_is_doubtful_is_forced() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("rules/all.yaml"), RULES).unwrap();
    let mut config = Config::default();
    let any = "127.0.0.1:0".parse().unwrap();
    (config.listen.http, config.listen.quic, config.listen.admin) = (any, any, any);
    config.policy.dir = folder.path().join("rules");
    (config.models.active, config.models.anomaly) = (String::new(), String::new());
    config.data.dir = folder.path().join("data");
    (config.workers.count, config.workers.pin) = (1, false);
    let tables = &mut config.tables;
    (tables.accounts, tables.devices, tables.velocity_keys, tables.decisions) = (2048, 2048, 2048, 2048);
    let running = Server::start(config).unwrap();
    let admin = running.addresses().admin.unwrap().to_string();
    let token = running.admin_token_file().display().to_string();
    let fed = |words: &[&str], input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_riskctl"));
        command.args(words).args(["--admin", &admin, "--token-file", &token]);
        let piped = || Stdio::piped();
        let mut child = command.stdin(piped()).stdout(piped()).stderr(piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let told = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code().unwrap(), told)
    };
    let riskctl = |words: &[&str]| fed(words, "");

    let plain = "# feed\n10.0.0.0/8\n192.0.2.1 # scanner\n198.51.100.0/24 ; SBL1\n";
    assert_eq!(
        fed(&["list", "import", "networks", "-"], plain),
        (0, "3 entries added to networks\n".to_owned())
    );
    let words = "key,reason,expires\n\"a, \"\"b\"\"\",greeting,2099-03-01\n微信,,\n# x,,\n";
    assert_eq!(fed(&["list", "import", "words", "-"], words).0, 0);

    for (list, flag) in
        [("networks", None), ("words", None), ("networks", Some("--json")), ("words", Some("--json"))]
    {
        let export = |list: &str| {
            let words: Vec<&str> = ["list", "export", list].into_iter().chain(flag).collect();
            let (code, text) = riskctl(&words);
            assert_eq!(code, 0, "{text}");
            text
        };
        let text = export(list);
        let file = folder.path().join("export.txt");
        std::fs::write(&file, &text).unwrap();
        let path = file.display().to_string();
        assert_eq!(
            riskctl(&["list", "replace", list, &path]),
            (0, format!("{list} was replaced: 3 entries\n"))
        );
        assert_eq!(export(list), text);
    }
    let listing = riskctl(&["list", "show", "words", "--json"]).1;
    assert_eq!(
        fed(&["list", "replace", "words", "-"], &listing),
        (0, "words was replaced: 3 entries\n".to_owned())
    );

    let (code, told) = fed(&["list", "replace", "networks", "-"], "key\n");
    assert!(code == 2 && told.contains("--force"), "{told}");
    let (code, told) = riskctl(&["list", "add", "networks", "0.0.0.0/0"]);
    assert!(code == 2 && told.contains("--force"), "{told}");
    let (code, told) = riskctl(&["list", "add", "networks", "192.0.2.7", "--expires", "20270301"]);
    assert!(code == 2 && told.contains("2027-03-01"), "{told}");
    let (code, told) = fed(
        &["list", "import", "networks", "-"],
        "key,reason\n10.1.0.0/16,\"x\n10.2.0.0/16,y\n10.3.0.0/16,\"z\n",
    );
    assert!(
        code == 1 && told.contains("-:2:") && told.contains("-:4:") && told.contains("nothing was changed"),
        "{told}"
    );
    assert_eq!(fed(&["list", "replace", "networks", "-", "--force"], "key\n").0, 0);
    assert_eq!(riskctl(&["list", "export", "networks"]).1, "key,reason,source,expires\n");
    running.shutdown();
}
