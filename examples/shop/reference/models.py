"""The tables of ISO 3166, 639-3 and 4217, each on a compacted topic of its own."""

from django.db import models

import outbox


@outbox.capture(topic="shop.countries")
class Country(models.Model):
    """ISO 3166-1."""

    alpha_2 = models.CharField(max_length=2, primary_key=True)
    alpha_3 = models.CharField(max_length=3)
    numeric = models.CharField(max_length=3)
    name = models.CharField(max_length=100)
    official_name = models.CharField(max_length=100)
    flag = models.CharField(max_length=2)


@outbox.capture(topic="shop.subdivisions")
class Subdivision(models.Model):
    """ISO 3166-2: provinces, cantons, regions."""

    code = models.CharField(max_length=6, primary_key=True)
    country_code = models.CharField(max_length=2)
    parent_code = models.CharField(max_length=6)
    name = models.CharField(max_length=150)
    type = models.CharField(max_length=100)


@outbox.capture(topic="shop.languages")
class Language(models.Model):
    """ISO 639-3."""

    alpha_3 = models.CharField(max_length=3, primary_key=True)
    alpha_2 = models.CharField(max_length=2)
    name = models.CharField(max_length=100)
    scope = models.CharField(max_length=1)
    type = models.CharField(max_length=1)


@outbox.capture(topic="shop.currencies")
class Currency(models.Model):
    """ISO 4217."""

    alpha_3 = models.CharField(max_length=3, primary_key=True)
    numeric = models.CharField(max_length=3)
    name = models.CharField(max_length=100)
