# -*- coding: utf-8 -*-
"""

Revision ID: 000000000001
Revises:

"""
revision = ("000000000001")
down_revision = None
