//! What people write beside money. Honest memos touch on the same subjects as scams do; scams are spelt to slip past lists.

pub(crate) const GREETINGS: [&str; 12] = [
    "恭喜发财，大吉大利",
    "恭喜发财",
    "新年快乐",
    "生日快乐",
    "辛苦了",
    "谢谢大家",
    "手快有手慢无",
    "周末愉快",
    "开门红",
    "心想事成",
    "早点休息",
    "Happy birthday!",
];

pub(crate) const MEMOS: [&str; 16] = [
    "午饭AA",
    "房租",
    "还你钱",
    "谢谢",
    "打车费",
    "电影票",
    "孩子补习费",
    "水电费",
    "生活费",
    "份子钱",
    "快递代收",
    "买菜钱",
    "奶茶",
    "docs printing",
    "篮球场地费",
    "mom's medicine",
];

/// Honest memos with words that stand on every scam list.
pub(crate) const DELICATE_MEMOS: [&str; 8] = [
    "贷款还清啦",
    "投资理财课的书",
    "彩票中奖请客",
    "保证金退你",
    "兼职工资",
    "验证码那事谢谢",
    "客服说要退运费",
    "股票亏了先还你一半",
];

pub(crate) const ADVERTS: [&str; 5] = [
    "【广告】开业大吉，到店有礼",
    "【广告】春季上新红包",
    "[广告] 签到领券",
    "【广告】周年庆抽奖",
    "广告：邀请好友得红包",
];

pub(crate) const SCAM_PLAIN: [&str; 8] = [
    "刷单返利本金",
    "转入安全账户配合公安调查",
    "贷款解冻费",
    "投资稳赚内部消息",
    "中奖手续费",
    "冒充客服退款验证",
    "杀猪盘充值",
    "刷流水提额保证金",
];

/// The same with traditional characters, digits, spaces and signs between.
pub(crate) const SCAM_DISGUISED: [&str; 8] = [
    "刷 單 返 利",
    "安全賬戶·公銨",
    "貸款解*冻*费",
    "穩賺 內部消息",
    "仲奖 手续費",
    "退款 嗑服",
    "薇信➕刷-单",
    "保 證 金 解 凍",
];

/// What a scammed person writes when told to write something harmless.
pub(crate) const SCAM_CLEAN: [&str; 5] = ["货款", "借款", "装修款", "学费", "还款"];
