"""The names that columns have in data sets; compared without case, with _ for blanks and dashes.

Of several that are there, the first counts.
"""

from __future__ import annotations

# The message to the model.
PROMPTS = (
    "prompt", "question", "instruction", "query", "q", "input", "user", "human",
    "request", "customer", "utterance", "sentence", "source", "document", "article",
    "dialogue", "context", "message", "text", "pregunta", "frage", "vraag", "提示",
    "提示词", "问题", "提问", "问", "指令", "输入", "用户", "文本", "問題", "提問", "問",
    "輸入", "質問", "질문",
)  # fmt: skip
# The answer.
COMPLETIONS = (
    "completion", "response", "answer", "output", "a", "reply", "assistant", "bot", "gpt",
    "agent", "target", "summary", "highlights", "translation", "respuesta", "réponse",
    "antwort", "antwoord", "回答", "答案", "回复", "答", "输出", "助手",
    "响应", "答复",
    "回覆", "輸出", "答え", "답변",
)  # fmt: skip
# The answer where a text is classified.
LABELS = (
    "label", "intent", "category", "class", "sentiment", "标签", "类别", "意图", "標籤", "類別",
)  # fmt: skip
# The text that is classified.
CLASSIFIED = (
    "text", "sentence", "utterance", "message", "query", "question", "文本", "句子", "问题",
)  # fmt: skip
# Raw text.
TEXTS = (
    "text", "content", "raw_text", "正文", "内容", "文本", "內容",
)  # fmt: skip
# A conversation.
CONVERSATIONS = (
    "messages", "conversations", "conversation", "dialogue", "dialog", "dialogs", "turns",
    "utterances", "chat", "contents", "对话", "對話",
)  # fmt: skip
# The system prompt.
SYSTEMS = ("system", "system_prompt", "systeminstruction", "system_instruction", "系统", "系統")
# The wanted and the unwanted answer of a preference.
CHOSEN = ("chosen", "chosen_response", "preferred", "preferred_output", "preferred_response")
REJECTED = (
    "rejected", "rejected_response", "non_preferred", "non_preferred_output", "dispreferred",
    "dispreferred_response",
)  # fmt: skip
# What an instruction is about.
INPUTS = (
    "input", "context", "输入", "輸入",
)  # fmt: skip
# A list of records in a JSON object.
HOLDERS = (
    "data", "rows", "questions", "train", "examples", "items", "records", "samples",
    "instances", "conversations", "entries", "dataset", "validation", "test",
    "dialogues", "pairs",
)  # fmt: skip
