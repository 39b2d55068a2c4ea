//! Files that are given for a model and are none that can be read: what each is, by its first bytes, and how to get a model out
//! of it.

/// How many bytes of a file are looked at.
const LOOKED_AT: usize = 4096;

/// What a file is, and what to do instead; nothing if it may be a model.
pub fn mistaken(bytes: &[u8]) -> Option<&'static str> {
    let head = &bytes[..bytes.len().min(LOOKED_AT)];
    let text = head.trim_ascii_start();
    if text.is_empty() && bytes.len() <= LOOKED_AT {
        return Some("an empty file: the library has not finished writing, or the copy failed");
    }
    let begins = |mark: &&[u8]| head.starts_with(mark);
    let found = MARKS.iter().find(|(marks, _)| marks.iter().any(begins)).map(|(_, what)| *what);
    found
        .or_else(|| zip(head))
        .or_else(|| (head.get(4..8) == Some(b"TFL3")).then_some(NEURAL))
        .or_else(|| old_pickle(head).then_some(PICKLE))
        .or_else(|| old_xgboost(head).then_some(XGBOOST_BINARY))
        .or_else(|| json(text))
        .or_else(|| words(text))
}

const COMPRESSED: &str = "a compressed file: unpack it first (gunzip, unzip, unzstd, xz -d, bunzip2, lz4 -d), and import what is in it";
const PICKLE: &str = "a pickle or joblib file, which is a program for Python to run: load it where it was trained and write the model \
                      with its library's save_model, or with skl2onnx's to_onnx if it is scikit-learn's";
const XGBOOST_BINARY: &str = "XGBoost's old binary format, which newer versions do not read either: load it with a version before 3.1 \
                              (pip install 'xgboost<3.1') and write it with save_model(\"model.ubj\")";
const CATBOOST: &str = "a model of CatBoost in its own format: write it with save_model(\"model.onnx\", format=\"onnx\"), which takes \
                        models without categorical features";
const NUMPY: &str = "an array of NumPy, which is data and no model: write the model with its library's save_model; rows for --data are \
                     CSV or Parquet";
const TABLE: &str = "a table: it goes with --data; the model is the file that the library's save_model wrote";
const NEURAL: &str = "a neural network: only forests of decision trees are read";
const UTF_16: &str = "text in UTF-16, as PowerShell's > writes it: let the library write the file with save_model, or convert it \
                      (iconv -f UTF-16 -t UTF-8)";
const R_OBJECT: &str = "an object of R: write the model with xgb.save or lgb.save";

/// First bytes of formats that have some of their own.
const MARKS: &[(&[&[u8]], &str)] = &[
    (&[b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0", b"BZh", b"\x04\x22\x4d\x18"], COMPRESSED),
    (&[b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"], PICKLE),
    // zlib, as joblib compresses.
    (&[b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"], PICKLE),
    (&[b"binf", b"bs64\t"], XGBOOST_BINARY),
    (&[b"CBM1"], CATBOOST),
    (&[b"\x93NUMPY"], NUMPY),
    (&[b"PAR1", b"ARROW1"], TABLE),
    (&[b"\x89HDF\r\n\x1a\n"], NEURAL),
    (&[b"\xff\xfe", b"\xfe\xff"], UTF_16),
    (&[b"RDX2", b"RDX3", b"X\n\0\0", b"A\n2\n", b"A\n3\n"], R_OBJECT),
];

/// A ZIP file by the name of what is first in it.
fn zip(head: &[u8]) -> Option<&'static str> {
    let rest = head.strip_prefix(b"PK\x03\x04")?;
    let length = rest.get(22..24).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let name = rest.get(26..).map_or(&b""[..], |rest| &rest[..rest.len().min(length)]);
    Some(match name {
        name if name.ends_with(b".npy") => NUMPY,
        name if name.ends_with(b"data.pkl") || name.ends_with(b".keras") => NEURAL,
        name if name.ends_with(b"model.ini") => {
            "a MOJO of H2O: forests of H2O are not read; train with XGBoost or LightGBM"
        }
        name if name.ends_with(b"schema.json") => PICKLE,
        _ => COMPRESSED,
    })
}

/// Python's first pickles were text: a module and a name in two lines, or a mark before them.
fn old_pickle(head: &[u8]) -> bool {
    let mut lines = head.split(|byte| *byte == b'\n');
    let name = |line: &[u8]| {
        !line.is_empty()
            && line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
    };
    let module = lines.next().and_then(|line| line.strip_prefix(b"c").or_else(|| line.strip_prefix(b"(c")));
    let known = |module: &&[u8]| {
        module.contains(&b'.')
            || [&b"copy_reg"[..], b"__builtin__", b"builtins", b"collections"].contains(module)
    };
    module.filter(known).is_some_and(name) && lines.next().is_some_and(name)
}

/// XGBoost's old binary without its mark: numbers, then the names of objective and booster, each after its length.
fn old_xgboost(head: &[u8]) -> bool {
    let named = |name: &[u8], whole: bool| {
        head.windows(8 + name.len()).any(|window| {
            let (length, found) = window.split_at(8);
            let length = u64::from_le_bytes(length.try_into().unwrap_or_default());
            found == name
                && (length == name.len() as u64 || (!whole && (name.len() as u64..64).contains(&length)))
        })
    };
    // Names stand within the first few hundred bytes.
    let objectives: [&[u8]; 6] = [b"binary:", b"reg:", b"rank:", b"count:", b"multi:", b"survival:"];
    let boosters: [&[u8]; 3] = [b"gbtree", b"gblinear", b"dart"];
    objectives.iter().any(|name| named(name, false)) && boosters.iter().any(|name| named(name, true))
}

/// JSON of other kinds than XGBoost's model, by the keys that come first.
fn json(text: &[u8]) -> Option<&'static str> {
    let has = |key: &[u8]| text.windows(key.len()).any(|window| window == key);
    match text {
        [b'[', ..] if has(b"\"nodeid\"") => Some(XGBOOST_DUMP),
        [b'[', ..] => {
            Some("a list in JSON, which is no model: write the model with its library's save_model")
        }
        [b'{', ..] => {
            let first: Vec<u8> =
                text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).take(64).collect();
            let begins = |key: &[u8]| first.starts_with(key);
            if begins(br#"{"name":"tree","#) {
                Some("what LightGBM's dump_model tells: write the model with its save_model, which is text")
            } else if begins(br#"{"nodeid""#) {
                Some(XGBOOST_DUMP)
            } else if CATBOOST_KEYS.iter().any(|key| begins(key)) {
                Some(CATBOOST)
            } else if begins(br#"{"cells""#) {
                Some("a notebook: run it, and let it write the model with its library's save_model")
            } else if begins(br#"{"irVersion""#) {
                Some(ONNX_TEXT)
            } else {
                None
            }
        }
        _ => None,
    }
}

/// How CatBoost's JSON may begin. What stands further on may be the name of an input.
const CATBOOST_KEYS: [&[u8]; 4] =
    [br#"{"features_info""#, br#"{"model_info""#, br#"{"oblivious_trees""#, br#"{"ctr_data""#];

const XGBOOST_DUMP: &str = "a dump of XGBoost's trees (dump_model), which leaves out base score and objective: write the model with \
                            save_model(\"model.ubj\")";
const ONNX_TEXT: &str = "ONNX as text: write it as bytes, with onnx.save or model.SerializeToString()";

/// Other text, by how it begins.
fn words(text: &[u8]) -> Option<&'static str> {
    let begins =
        |word: &str| text.len() >= word.len() && text[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    if begins("booster[") || (begins("0:[") && has(b"yes=")) || begins("0:leaf=") {
        return Some(XGBOOST_DUMP);
    }
    if begins("<!doctype html") || begins("<html") {
        return Some("a page of HTML: what was downloaded is a message, such as a sign-in, and not the file");
    }
    if begins("<") {
        return Some(if has(b"<PMML") {
            "PMML: write the model with its library's save_model, or with skl2onnx's to_onnx if it is scikit-learn's"
        } else if has(b"ir_version") {
            ONNX_TEXT
        } else {
            "XML, which is no model that is read: write the model with its library's save_model"
        });
    }
    if begins("ir_version:") {
        return Some(ONNX_TEXT);
    }
    if begins("version https://git-lfs") {
        return Some("a pointer of Git LFS in place of the file: git lfs pull fetches it");
    }
    if begins("riskd-forest") || (begins("format") && has(b"riskd-forest-1")) {
        return Some(
            "a model of riskd already: its folder, with manifest and forest, is what the daemon loads",
        );
    }
    if begins("#include") || begins("import ") || begins("from ") || begins("def ") {
        return Some("source code: write the model with its library's save_model");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{LIGHTGBM, XGBOOST, onnx, refused, regressor};
    use super::super::read;
    use super::*;

    /// The local header of a ZIP file whose first entry has that name.
    fn zipped(name: &str) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend([0; 22]);
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes
    }

    /// XGBoost's old binary as versions before 1.0 began it.
    fn xgboost_without_mark() -> Vec<u8> {
        let mut bytes = 0.5_f32.to_le_bytes().to_vec();
        bytes.extend([0; 132]);
        for name in ["binary:logistic", "gbtree"] {
            bytes.extend((name.len() as u64).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        bytes
    }

    #[test]
    fn files_that_are_no_model_are_named_with_the_way_out() {
        let cases: [(&[u8], &str, &str); 43] = [
            (b"", "an empty file", "the copy failed"),
            (b" \n\n", "an empty file", "the copy failed"),
            (b"\x1f\x8b\x08\0\0", "a compressed file", "gunzip"),
            (b"\x28\xb5\x2f\xfd\x24", "a compressed file", "unzstd"),
            (b"\xfd7zXZ\0\0", "a compressed file", "xz -d"),
            (b"BZh91AY", "a compressed file", "bunzip2"),
            (b"\x04\x22\x4d\x18\x64", "a compressed file", "lz4 -d"),
            (&zipped("model.onnx"), "a compressed file", "unzip"),
            (&zipped("a.npy"), "an array of NumPy", "save_model"),
            (&zipped("model/data.pkl"), "a neural network", "only forests"),
            (&zipped("model.ini"), "a MOJO of H2O", "XGBoost or LightGBM"),
            (b"\x80\x02c", "a pickle or joblib file", "save_model"),
            (b"\x80\x04\x95\x10\0\0\0\0\0\0\0\x8c\x08sklearn", "a pickle or joblib file", "to_onnx"),
            (b"\x80\x05\x95", "a pickle or joblib file", "to_onnx"),
            (b"\x78\x9c\xed", "a pickle or joblib file", "to_onnx"),
            (
                b"csklearn.ensemble._forest\nRandomForestClassifier\np0\n",
                "a pickle or joblib file",
                "to_onnx",
            ),
            (b"ccopy_reg\n_reconstructor\np0\n", "a pickle or joblib file", "to_onnx"),
            (b"binf\0\0\0\x3f\x05\0\0\0", "XGBoost's old binary", "xgboost<3.1"),
            (b"bs64\tYmluZg", "XGBoost's old binary", "xgboost<3.1"),
            (&xgboost_without_mark(), "XGBoost's old binary", "xgboost<3.1"),
            (b"CBM1\x10\x27\0\0", "a model of CatBoost", "format=\"onnx\""),
            (br#"{"features_info":{"float_features":[]}}"#, "a model of CatBoost", "format=\"onnx\""),
            (br#"{ "oblivious_trees": [], "scale_and_bias": [1, [0]] }"#, "a model of CatBoost", "onnx"),
            (b"\x93NUMPY\x01\0v\0{'descr'", "an array of NumPy", "save_model"),
            (b"PAR1\x15\x04", "a table", "--data"),
            (b"ARROW1\0\0", "a table", "--data"),
            (b"\x89HDF\r\n\x1a\n", "a neural network", "only forests"),
            (b"\x1c\0\0\0TFL3", "a neural network", "only forests"),
            (b"RDX3\nX\n", "an object of R", "xgb.save"),
            (b"\xff\xfet\0r\0e\0e\0", "UTF-16", "iconv"),
            (b"\xfe\xff\0t\0r\0e\0e", "UTF-16", "iconv"),
            (b"booster[0]:\n0:[f0<0.5] yes=1,no=2,missing=1\n", "a dump of XGBoost's trees", "model.ubj"),
            (b"0:[f0<0.5] yes=1,no=2,missing=1\n", "a dump of XGBoost's trees", "model.ubj"),
            (br#"[ { "nodeid": 0, "depth": 0 } ]"#, "a dump of XGBoost's trees", "model.ubj"),
            (br#"{"name": "tree", "version": "v4", "num_class": 1}"#, "dump_model", "save_model"),
            (b"{\n  \"name\": \"tree\",\n  \"version\": \"v4\"}", "dump_model", "save_model"),
            (br#"{"cells": [], "metadata": {}}"#, "a notebook", "save_model"),
            (b"<?xml version=\"1.0\"?>\n<PMML version=\"4.4\">", "PMML", "to_onnx"),
            (b"\n<!DOCTYPE html><html><body>Sign in", "a page of HTML", "not the file"),
            (b"<\n   ir_version: 8,\n", "ONNX as text", "onnx.save"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "Git LFS", "git lfs pull"),
            (b"riskd-forest 1\ninputs 1\n", "a model of riskd", "the daemon loads"),
            (b"#include \"gbdt.h\"\n", "source code", "save_model"),
        ];
        for (bytes, what, way_out) in cases {
            refused(bytes, what);
            refused(bytes, way_out);
        }
    }

    #[test]
    fn a_model_after_a_mark_of_utf_8_or_blank_lines_is_read() {
        for text in [LIGHTGBM, XGBOOST] {
            let plain = read(text.as_bytes()).unwrap();
            for before in ["\u{feff}", "\n", "\r\n ", "\u{feff}\n"] {
                assert_eq!(read(format!("{before}{text}").as_bytes()).unwrap(), plain, "{before:?}");
            }
        }
    }

    #[test]
    fn no_model_is_mistaken_for_something_else() {
        for bytes in [LIGHTGBM.as_bytes(), XGBOOST.as_bytes(), &onnx(vec![regressor("BRANCH_LEQ", 0)], 1)] {
            assert_eq!(mistaken(bytes), None);
        }
        for name in ["nodeid", "oblivious_trees", "model_info", "riskd-forest-1"] {
            let (xgboost, lightgbm) = (XGBOOST.replace("amount", name), LIGHTGBM.replace("amount", name));
            assert_eq!(mistaken(xgboost.as_bytes()), None, "an input called {name}");
            assert_eq!(mistaken(lightgbm.as_bytes()), None, "an input called {name}");
        }
    }

    #[test]
    fn what_no_format_begins_with_is_not_called_onnx() {
        for bytes in
            [&b"hello, world\n"[..], b"amount,hour\n1,2\n", b"0,1,2\n3,4,5\n", b"\0\0\0\0", b"\x7fELF\x02"]
        {
            let error = read(bytes).unwrap_err().to_string();
            assert!(error.starts_with("no known format: neither LightGBM"), "{error}");
        }
    }
}
