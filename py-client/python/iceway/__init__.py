from . import _errors
from ._errors import *
from ._iceway import Message, Schema, Sequence
